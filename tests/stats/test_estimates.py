"""Estimates against closed forms, and the interval's coverage against simulation."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sqeval.stats import Metric, estimate, mean
from sqeval.stats.clusters import bootstrap_sums, cluster_codes, cluster_sums
from sqeval.stats.distributions import t_quantile
from sqeval.stats.metric import Floats


def f1(sums: Floats) -> Floats:
    """Columns: true positives, false positives, false negatives."""
    tp, fp, fn = np.moveaxis(sums, -1, 0)
    return np.asarray(2 * tp / (2 * tp + fp + fn))


def names(n: int, prefix: str = "") -> list[str]:
    return [f"{prefix}{i}" for i in range(n)]


@given(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=2, max_size=60))
def test_singleton_clusters_give_the_textbook_standard_error(values: list[float]) -> None:
    got = estimate(mean("accuracy", names(len(values)), names(len(values)), values))
    assert got.value == pytest.approx(statistics.fmean(values))
    assert got.stderr == pytest.approx(statistics.stdev(values) / math.sqrt(len(values)), abs=1e-12)
    if got.design_effect is not None:
        assert got.design_effect == pytest.approx(1)
        assert got.effective_n == pytest.approx(len(values))


def test_copies_within_a_cluster_add_no_information() -> None:
    rng = np.random.default_rng(1)
    once = rng.random(50)
    images = names(50, "image")
    single = estimate(mean("accuracy", names(50), images, once))
    fourfold = estimate(mean("accuracy", names(200), images * 4, np.tile(once, 4)))
    assert fourfold.stderr == pytest.approx(single.stderr)
    assert fourfold.low == pytest.approx(single.low)
    assert fourfold.effective_n == pytest.approx(50, rel=0.03)


def test_clustered_standard_error_by_hand() -> None:
    # Clusters a: 1, 1; b: 0; mean 2/3; residual sums 2/3 and -2/3; CR1: 2/1 * (8/9) / 9.
    got = estimate(mean("accuracy", ["1", "2", "3"], ["a", "b", "a"], [1, 0, 1]))
    assert got.stderr == pytest.approx(math.sqrt(2 * 8 / 9) / 3)
    assert got.low == pytest.approx(2 / 3 - 12.7062047 * got.stderr)  # t with 1 degree of freedom, not cut at 0
    assert (got.n, got.clusters) == (3, 2)


def test_one_cluster_has_no_error_bar_and_nothing_has_no_value() -> None:
    lonely = estimate(mean("accuracy", ["1", "2"], ["a", "a"], [1, 0]))
    assert (lonely.value, lonely.stderr, lonely.low, lonely.clusters) == (0.5, None, None, 1)
    empty = estimate(mean("accuracy", [], [], []))
    assert math.isnan(empty.value)
    assert json.loads(json.dumps(empty.to_json(), allow_nan=False))["value"] is None


def test_the_bootstrap_of_a_mean_agrees_with_its_closed_form() -> None:
    rng = np.random.default_rng(2)
    values, images = rng.random(600), [f"image{i}" for i in rng.integers(0, 150, 600)]
    closed = estimate(mean("accuracy", names(600), images, values))
    columns = np.stack([values, np.ones(600)], axis=1)
    drawn = estimate(Metric("accuracy", names(600), images, columns, lambda s: s[..., 0] / s[..., 1]), replicates=4000)
    assert drawn.value == pytest.approx(closed.value)
    assert drawn.stderr == pytest.approx(closed.stderr, rel=0.08)
    assert closed.low is not None
    assert drawn.low == pytest.approx(closed.low, abs=0.15 * closed.stderr)


def test_the_bootstrap_error_does_not_shrink_with_the_number_of_replicates() -> None:
    # Dividing a bootstrap's deviation by the root of B once more makes it 31.6 times too small at B = 1000.
    rng = np.random.default_rng(3)
    metric = Metric("f1", names(400), names(400), rng.integers(0, 2, (400, 3)).astype(float), f1)
    few, many = estimate(metric, replicates=500), estimate(metric, replicates=8000)
    assert few.stderr == pytest.approx(many.stderr, rel=0.12)


def test_f1_has_an_error_bar_of_its_own() -> None:
    # Accuracy 0.99 with F1 about 0.5: rare positives make F1 far less certain than accuracy.
    rng = np.random.default_rng(4)
    truth, said = rng.random(5000) < 0.01, rng.random(5000) < 0.01
    said |= truth & (rng.random(5000) < 0.5)
    columns = np.stack([truth & said, ~truth & said, truth & ~said], axis=1).astype(float)
    score = estimate(Metric("f1", names(5000), names(5000), columns, f1))
    accuracy = estimate(mean("accuracy", names(5000), names(5000), (truth == said).astype(float)))
    assert accuracy.stderr is not None
    assert score.stderr is not None
    assert score.stderr > 10 * accuracy.stderr


def test_replicates_without_a_value_are_left_out() -> None:
    columns = np.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0]])  # draws without row 1 or 4 have no F1
    got = estimate(Metric("f1", names(4), names(4), columns, f1))
    assert got.value == pytest.approx(2 / 3)
    assert got.stderr is not None
    assert math.isfinite(got.stderr)
    nothing = estimate(Metric("f1", names(4), names(4), np.zeros((4, 3)), f1))
    assert math.isnan(nothing.value)
    assert nothing.stderr is None


def test_a_score_strictly_between_0_and_1_has_a_positive_error() -> None:
    for ones in range(1, 20):
        got = estimate(mean("accuracy", names(20), names(20), [1.0] * ones + [0.0] * (20 - ones)))
        assert got.stderr is not None
        assert got.stderr > 0


def test_bootstrap_draws_as_many_clusters_as_there_are_and_only_depends_on_the_seed() -> None:
    ones = np.ones((37, 1))
    assert np.all(bootstrap_sums(ones, replicates=50, seed=0) == 37)
    sums = np.random.default_rng(0).random((37, 2))
    assert np.array_equal(bootstrap_sums(sums, replicates=50, seed=5), bootstrap_sums(sums, replicates=50, seed=5))
    assert not np.array_equal(bootstrap_sums(sums, replicates=50, seed=5), bootstrap_sums(sums, replicates=50, seed=6))


def test_the_order_of_units_does_not_matter() -> None:
    rng = np.random.default_rng(6)
    columns, order = rng.integers(0, 2, (300, 3)).astype(float), rng.permutation(300)
    images = [f"image{i // 5}" for i in range(300)]
    here = Metric("f1", names(300), images, columns, f1)
    there = Metric("f1", [names(300)[i] for i in order], [images[i] for i in order], columns[order], f1)
    assert estimate(here) == estimate(there)


@given(st.lists(st.sampled_from([0.0, 0.3, 0.6, 0.8999999999999999, 1.0]), min_size=1, max_size=400))
@example([0.3] * 9 + [0.6] * 40 + [0.9] * 13 + [0.0] * 2)
def test_a_percentage_prints_as_that_of_the_evaluator_that_multiplies_first(values: list[float]) -> None:
    """`round(100 * sum / n, 2)`, which is not always `round(100 * (sum / n), 2)`; the value is hardly another one."""
    metric = mean("accuracy", names(len(values)), names(len(values)), values)
    total = 0.0
    for value in values:
        total += value
    found = estimate(replace(metric, percent_first=True)).value
    assert f"{100 * found:.2f}" == f"{round(100 * total / len(values), 2):.2f}"
    assert found == pytest.approx(estimate(metric).value, rel=1e-15)


def test_percentages_that_differ_by_the_order_of_two_steps() -> None:
    """Sums of accuracies at which the two ways print different digits; the one way must be that of each."""
    both = [(k / 10, n) for n in (16, 48, 80, 96, 160) for k in range(1, 10 * n)]
    differing = [(s, n) for s, n in both if f"{100 * s / n:.2f}" != f"{100 * (s / n):.2f}"]
    assert len(differing) > 20
    for total, n in differing:
        metric = mean("accuracy", names(n), names(n), [total, *[0.0] * (n - 1)])
        for first, expected in ((True, 100 * total / n), (False, 100 * (total / n))):
            found = estimate(replace(metric, percent_first=first)).value
            assert f"{100 * found:.2f}" == f"{expected:.2f}"


def test_cluster_sums_by_hand() -> None:
    codes, clusters = cluster_codes(["b", "a", "b"])
    assert (codes.tolist(), clusters) == ([1, 0, 1], 2)
    assert cluster_sums(np.array([[1.0, 10], [2, 20], [4, 40]]), codes, clusters).tolist() == [[2, 20], [5, 50]]


@pytest.mark.parametrize("clusters", [8, 60])
def test_intervals_of_means_cover_the_truth_95_times_in_100(clusters: int) -> None:
    rng = np.random.default_rng(10 + clusters)
    images = [f"image{i}" for i in range(clusters) for _ in range(10)]
    ids, covered, trials = names(len(images)), 0, 1500
    for _ in range(trials):
        values = 0.5 + np.repeat(rng.normal(0, 0.1, clusters), 10) + rng.normal(0, 0.2, len(images))
        got = estimate(mean("score", ids, images, values))
        assert got.low is not None
        assert got.high is not None
        covered += got.low <= 0.5 <= got.high
    assert 0.93 <= covered / trials <= 0.97


def test_bootstrap_intervals_of_f1_cover_the_truth_95_times_in_100() -> None:
    rng = np.random.default_rng(12)
    clusters, each, trials, covered = 100, 6, 1200, 0
    images = [f"image{i}" for i in range(clusters) for _ in range(each)]
    ids = names(len(images))
    truth = 0.8  # half positive, of which 0.8 are found; as many false alarms as misses: F1 is 0.8
    for _ in range(trials):
        skill = np.repeat(rng.choice([0.7, 0.9], clusters), each)
        positive, right = rng.random(len(images)) < 0.5, rng.random(len(images)) < skill
        columns = np.stack([positive & right, ~positive & ~right, positive & ~right], axis=1).astype(float)
        got = estimate(Metric("f1", ids, images, columns, f1), replicates=300)
        assert got.low is not None
        assert got.high is not None
        covered += got.low <= truth <= got.high
    assert 0.93 <= covered / trials <= 0.97


def test_student_quantile_is_used_for_few_clusters() -> None:
    got = estimate(mean("accuracy", names(5), names(5), [0, 0, 1, 1, 1]))
    assert got.half_width == pytest.approx(t_quantile(0.975, 4) * (got.stderr or 0))
