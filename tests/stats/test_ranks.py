"""Ranks and their intervals: closed forms for two runs, coverage among equal and unequal runs by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from sqeval.stats import Metric, difference, mean
from sqeval.stats.metric import Floats
from sqeval.stats.ranks import Rank, rank_intervals


def names(n: int) -> list[str]:
    return [str(i) for i in range(n)]


def f1(sums: Floats) -> Floats:
    tp, fp, fn = np.moveaxis(sums, -1, 0)
    return np.asarray(2 * tp / (2 * tp + fp + fn))


def runs(rng: np.random.Generator, rates: list[float], clusters: int, each: int) -> list[Metric]:
    """Runs of these true rates; all find the same images hard, and each finds some of its own hard."""
    common, own = rng.normal(0, 0.2, (clusters, 1)), rng.normal(0, 0.2, (len(rates), clusters, 1))
    ids, images = names(clusters * each), [f"image{i}" for i in range(clusters) for _ in range(each)]
    right = [rng.random((clusters, each)) < rate + common + own[k] for k, rate in enumerate(rates)]
    return [mean("accuracy", ids, images, values.astype(float).ravel()) for values in right]


def covered(rank: Rank, rates: list[float], k: int) -> bool:
    """Whether the interval holds every rank that a run with the k-th rate may claim: equal runs may claim several."""
    best = 1 + sum(rate > rates[k] for rate in rates)
    worst = len(rates) - sum(rate < rates[k] for rate in rates)
    return rank.low <= best and rank.high >= worst


@pytest.mark.parametrize("rates", [[0.5] * 5, [0.55, 0.5, 0.5, 0.45], [0.52, 0.5]])
def test_intervals_cover_the_true_ranks(rates: list[float]) -> None:
    rng = np.random.default_rng(1)
    trials, hits = 250, np.zeros(len(rates))
    for trial in range(trials):
        found = rank_intervals(runs(rng, rates, 120, 3), replicates=400, seed=trial)
        assert found is not None
        hits += [covered(rank, rates, k) for k, rank in enumerate(found)]
    assert (hits / trials >= 0.92).all()  # 0.95, less three standard errors


def test_percentiles_of_resampled_ranks_would_not_cover() -> None:
    """Why the intervals come from gaps: among equal runs a percentile interval leaves true ranks out far too often."""
    rng = np.random.default_rng(2)
    rates, trials, hits = [0.5] * 5, 200, 0
    for _ in range(trials):
        values = np.stack([metric.columns[:, 0].reshape(120, 3).mean(axis=1) for metric in runs(rng, rates, 120, 3)])
        drawn = values[:, rng.integers(0, 120, (300, 120))].mean(axis=2)  # (K, R)
        low, high = np.quantile(1 + (drawn[None] > drawn[:, None]).sum(axis=1), [0.025, 0.975], axis=1)
        hits += covered(Rank(0, int(low[0]), int(high[0])), rates, 0)
    assert hits / trials < 0.8


def test_runs_far_apart_have_one_rank_each() -> None:
    metrics = runs(np.random.default_rng(3), [0.2, 0.9, 0.5], 200, 3)
    assert rank_intervals(metrics) == [Rank(3, 3, 3), Rank(1, 1, 1), Rank(2, 2, 2)]


def test_two_runs_agree_with_the_closed_form() -> None:
    """With two runs the rank is open exactly if 0 lies within the paired, clustered interval of their difference."""
    rng, agreed, trials = np.random.default_rng(4), 0, 120
    opened = 0
    for _ in range(trials):
        pair = runs(rng, [0.58, 0.5], 150, 2)
        found, closed = rank_intervals(pair, replicates=800), difference(*pair)
        assert found is not None
        assert closed.low is not None
        assert closed.high is not None
        opened += (is_open := closed.low <= 0 <= closed.high)
        agreed += (found[0].high > found[0].low) == is_open
    assert 20 < opened < 100
    assert agreed / trials > 0.93  # they part where 0 is at the end of the interval


def test_metrics_that_are_no_means_are_ranked_by_the_same_code() -> None:
    rng = np.random.default_rng(5)
    good, bad = rng.integers(1, 3, (300, 3)).astype(float), rng.integers(1, 3, (300, 3)).astype(float)
    good[:, 0] += 2
    images = [f"image{i // 3}" for i in range(300)]
    found = rank_intervals([Metric("f1", names(300), images, columns, f1) for columns in (bad, good)])
    assert found == [Rank(2, 2, 2), Rank(1, 1, 1)]


def test_equal_runs_share_the_first_rank_and_order_does_not_matter() -> None:
    one, other = runs(np.random.default_rng(6), [0.6, 0.6], 100, 2)
    turned = Metric(one.name, one.ids[::-1], one.clusters[::-1], one.columns[::-1])
    found = rank_intervals([one, turned, other])
    assert found is not None
    assert found[0] == found[1]
    again = rank_intervals([other, one, turned])
    assert again is not None
    assert [again[1], again[2], again[0]] == found


def test_a_lower_is_better_metric_turns_the_order() -> None:
    rng = np.random.default_rng(7)
    few, many = (
        Metric("errors", names(200), names(200), (rng.random((200, 1)) < rate).astype(float), higher_is_better=False)
        for rate in (0.1, 0.8)
    )
    assert rank_intervals([many, few]) == [Rank(2, 2, 2), Rank(1, 1, 1)]


def test_what_cannot_be_ranked() -> None:
    single = mean("a", ["1", "2"], ["x", "x"], [1, 0])
    assert rank_intervals([single, single]) is None
    with pytest.raises(ValueError, match="different units"):
        rank_intervals([mean("a", ["1", "2"], ["x", "y"], [1, 0]), mean("a", ["1", "3"], ["x", "z"], [1, 0])])
