"""Ranks of several runs on one metric, and how far the sample pins them down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sqeval.stats.clusters import bootstrap_sums, cluster_codes, cluster_sums, evaluator
from sqeval.stats.distributions import normal_quantile, t_quantile
from sqeval.stats.metric import Floats, Metric
from sqeval.stats.pairing import pairs

_ROUNDING = 1e-12
"""Gaps and standard errors below this are rounding errors."""


@dataclass(frozen=True, slots=True)
class Rank:
    """1 is the best; equal values share a rank."""

    rank: int
    low: int
    """The best rank that the sample leaves possible."""
    high: int
    """The worst."""


def rank_intervals(
    metrics: Sequence[Metric], *, replicates: int = 1000, seed: int = 0, level: float = 0.95
) -> list[Rank] | None:
    """Rank of each run's metric, with an interval that covers the true rank with probability `level` or more.

    One bootstrap over clusters serves all runs, so that they are paired. A run's rank is bounded by the runs that are
    shown to be better or worse than it, by studentised gaps whose largest is held to `level`, step by step (Mogstad,
    Romano, Shaikh and Wilhelm 2024, Review of Economic Studies 91:1). Percentiles of resampled ranks would be shorter,
    and wrong where runs are about equal: the bootstrap takes the order of the sample for the truth.

    None with fewer than two clusters or without values. Raises ValueError for runs about different units.
    """
    values, drawn, clusters = _resampled(metrics, replicates, seed)
    drawn = drawn[~np.isnan(drawn).any(axis=1)]
    if clusters < 2 or len(drawn) < 2 or np.isnan(values).any():
        return None
    if not metrics[0].higher_is_better:
        values, drawn = -values, -drawn
    # Few clusters: widened as `estimate` widens its intervals.
    tail = 0.5 + level / 2
    widening = math.sqrt(clusters / (clusters - 1)) * t_quantile(tail, clusters - 1) / normal_quantile(tail)
    return [_rank(values - values[j], drawn - drawn[:, [j]], level, widening) for j in range(len(metrics))]


def _rank(gaps: Floats, drawn: Floats, level: float, widening: float) -> Rank:
    """`gaps` (K,): by how much each run is better than this one; `drawn` (R, K): the same in bootstrap replicates."""
    stderr = drawn.std(axis=0, ddof=1)
    shown = (stderr <= _ROUNDING) & (np.abs(gaps) > _ROUNDING)  # the same gap in every replicate
    open_ = stderr > _ROUNDING
    while open_.any():  # as in Holm's method, what is shown makes room for the rest
        largest = (np.abs(drawn - gaps)[:, open_] / stderr[open_]).max(axis=1)
        found = open_ & (np.abs(gaps) > np.quantile(largest, level) * widening * stderr)
        if not found.any():
            break
        shown, open_ = shown | found, open_ & ~found
    better, worse = int((shown & (gaps > 0)).sum()), int((shown & (gaps < 0)).sum())
    return Rank(1 + int((gaps > _ROUNDING).sum()), 1 + better, len(gaps) - worse)


def _resampled(metrics: Sequence[Metric], replicates: int, seed: int) -> tuple[Floats, Floats, int]:
    """Values of the K runs, (K,), in bootstrap replicates, (R, K), and the number of clusters."""
    first = metrics[0]
    columns = []
    for metric in metrics:
        both = pairs(first, metric)
        if not len(first.ids) == len(metric.ids) == len(both.after):
            raise ValueError(f"metric {first.name}: the runs are about different units")
        columns.append(both.after)
    codes, clusters = cluster_codes(first.clusters)
    sums = np.hstack([cluster_sums(own, codes, clusters) for own in columns])
    shape = (-1, len(metrics), first.columns.shape[1])
    value_of = evaluator(first, len(first.ids))
    observed = value_of(sums.sum(axis=0).reshape(shape))[0]
    drawn = bootstrap_sums(sums, replicates=replicates, seed=seed) if clusters > 1 else np.empty((0, sums.shape[1]))
    return observed, value_of(drawn.reshape(shape)), clusters
