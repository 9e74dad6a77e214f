"""The jackknife against closed forms and against itself written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from sqeval.stats import estimate
from sqeval.stats.jackknife import MOST_GROUPS, linearised
from sqeval.stats.metric import Floats, Metric, mean

GENERATOR = np.random.default_rng(5)


def labels(clusters: int, each: int) -> list[str]:
    return [f"c{number:04d}" for number in range(clusters) for _ in range(each)]


def ids(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def test_of_a_mean_over_clusters_of_one_size_it_is_the_closed_form() -> None:
    clusters, values = labels(30, 4), GENERATOR.random(120)
    found = estimate(linearised("m", ids(120), clusters, lambda rows: float(values[rows].mean())))
    usual = estimate(mean("m", ids(120), clusters, values))
    assert found.value == pytest.approx(usual.value, rel=1e-12)
    assert found.stderr == pytest.approx(usual.stderr, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((usual.low, usual.high), rel=1e-12)


def test_a_ratio_of_sums_has_the_variance_of_leaving_one_cluster_out() -> None:
    sizes = [1, 5, 2, 7, 3, 3, 8, 1, 2, 4]
    clusters = [f"c{number}" for number, size in enumerate(sizes) for _ in range(size)]
    above, below = GENERATOR.random(len(clusters)), GENERATOR.random(len(clusters)) + 0.5

    def ratio(rows: NDArray[np.intp]) -> float:
        return float(above[rows].sum() / below[rows].sum())

    found = estimate(linearised("r", ids(len(clusters)), clusters, ratio))
    names = np.array(clusters)
    left = np.array([ratio(np.flatnonzero(names != name)) for name in dict.fromkeys(clusters)])
    count = len(sizes)
    assert found.value == pytest.approx(ratio(np.arange(len(clusters))), rel=1e-12)
    assert found.stderr == pytest.approx(math.sqrt((count - 1) / count * ((left - left.mean()) ** 2).sum()), rel=1e-9)


def test_f1_has_about_the_error_that_the_bootstrap_gives_it() -> None:
    truth = GENERATOR.random(1200) < 0.5
    said = np.where(GENERATOR.random(1200) < 0.8, truth, ~truth)
    counts = np.stack([said & truth, said & ~truth, ~said & truth], axis=1).astype(np.float64)

    def f1(sums: Floats) -> Floats:
        return np.asarray(2 * sums[..., 0] / (2 * sums[..., 0] + sums[..., 1] + sums[..., 2]))

    clusters = labels(150, 8)
    jackknifed = estimate(linearised("f1", ids(1200), clusters, lambda rows: float(f1(counts[rows].sum(axis=0)))))
    drawn = estimate(Metric("f1", ids(1200), clusters, counts, f1), replicates=4000)
    assert jackknifed.value == pytest.approx(drawn.value, rel=1e-12)
    assert jackknifed.stderr == pytest.approx(drawn.stderr, rel=0.1)


def test_many_clusters_are_left_out_in_groups() -> None:
    clusters, values, calls = labels(1000, 1), GENERATOR.random(1000), []

    def average(rows: NDArray[np.intp]) -> float:
        calls.append(len(rows))
        return float(values[rows].mean())

    found = estimate(linearised("m", ids(1000), clusters, average))
    assert len(calls) == 1 + MOST_GROUPS
    assert found.clusters == MOST_GROUPS
    assert found.stderr == pytest.approx(values.std(ddof=1) / math.sqrt(1000), rel=0.15)


def test_one_cluster_has_a_value_and_no_error() -> None:
    found = estimate(linearised("m", ids(3), ["a", "a", "a"], lambda rows: 0.25))
    assert (found.value, found.stderr, found.low) == (0.25, None, None)
