"""The difference of two runs on one metric: paired by unit and clustered."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sqeval.stats import power as planning
from sqeval.stats.clusters import bootstrap_sums, cluster_codes, cluster_sums, evaluator
from sqeval.stats.distributions import t_two_sided
from sqeval.stats.estimates import Spread, bootstrap_spread, mean_spread
from sqeval.stats.metric import Floats, Metric
from sqeval.stats.significance import swap_test

FEW_CLUSTERS = 40
"""Below this many clusters the p-value comes from swapping the runs within clusters instead of Student's t."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Candidate minus base, over the units that both have, in the metric's own units."""

    base: float
    candidate: float
    value: float
    """NaN if either side is not defined."""
    stderr: float | None
    """None with fewer than two clusters, as are the interval, p and mde."""
    low: float | None
    high: float | None
    p: float | None
    """Two-sided; not adjusted for other comparisons."""
    mde: float | None
    """True difference that such a comparison finds with the power asked for."""
    n: int
    clusters: int
    identical: bool
    """Every unit has the same columns on both sides."""
    higher_is_better: bool = True
    design_effect: float | None = None
    correlation: float | None = None
    """Of the two sides' values over units; means only."""


def difference(
    base: Metric,
    candidate: Metric,
    *,
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    power: float = 0.8,
) -> Difference:
    """Paired, clustered difference of one metric between two runs, over the ids that both have.

    Means: the CR1 clustered standard error of the unit differences (Miller 2024, eq. 8), Student's t with C-1 degrees
    of freedom. Functions of sums: one bootstrap over clusters with the same draw on both sides, percentile interval,
    p-value from t of value over standard error. Fewer than 40 clusters: the p-value is a permutation's.
    Raises ValueError for repeated ids and for a unit whose cluster differs between the runs.
    """
    before, after, labels = paired(base, candidate)
    n, width = before.shape
    codes, clusters = cluster_codes(labels)
    identical = bool(np.array_equal(before, after))
    sums = np.hstack([cluster_sums(before, codes, clusters), cluster_sums(after, codes, clusters)])
    value_of = evaluator(base, n)

    def change(both: Floats) -> Floats:
        return value_of(both[..., width:]) - value_of(both[..., :width])

    total = sums.sum(axis=0)
    value = float(change(total))
    spread, p, correlation = Spread(None, None, None, None), None, None
    if clusters >= 2 and not math.isnan(value):
        if base.function is None:
            spread = mean_spread((after - before)[:, 0], codes, clusters, level)
            correlation = _correlation(before[:, 0], after[:, 0])
        else:
            spread = bootstrap_spread(change(bootstrap_sums(sums, replicates=replicates, seed=seed)), clusters, level)
        p = _pvalue(value, spread.stderr, sums[:, :width], sums[:, width:], value_of, seed)
    return Difference(
        base=float(value_of(total[:width])),
        candidate=float(value_of(total[width:])),
        value=value,
        stderr=spread.stderr,
        low=spread.low,
        high=spread.high,
        p=p,
        mde=None if spread.stderr is None else planning.mde(spread.stderr, 1 - level, power),
        n=n,
        clusters=clusters,
        identical=identical,
        higher_is_better=base.higher_is_better,
        design_effect=spread.design_effect,
        correlation=correlation,
    )


def _pvalue(
    value: float,
    stderr: float | None,
    before: Floats,
    after: Floats,
    value_of: Callable[[Floats], Floats],
    seed: int,
) -> float | None:
    if stderr is None:
        return None
    if len(before) < FEW_CLUSTERS or stderr == 0:
        return swap_test(before, after, value_of, seed=seed)
    return t_two_sided(value / stderr, len(before) - 1)


def paired(base: Metric, candidate: Metric) -> tuple[Floats, Floats, Sequence[str]]:
    """Columns of both runs, (m, k) each, and clusters of the m units that both have, in the order of `base`."""
    if base.columns.shape[1] != candidate.columns.shape[1]:
        raise ValueError(f"metric {base.name}: the two runs have different columns")
    if list(base.ids) == list(candidate.ids):
        _positions(base)
        rows = np.arange(len(base.ids))
        others = rows
    else:
        where, there = _positions(base), _positions(candidate)
        common = [unit for unit in base.ids if unit in there]
        rows = np.array([where[unit] for unit in common], dtype=np.intp)
        others = np.array([there[unit] for unit in common], dtype=np.intp)
    clusters = _take(base.clusters, rows)
    if clusters != _take(candidate.clusters, others):
        raise ValueError(f"metric {base.name}: units belong to different clusters in the two runs")
    return base.columns[rows], candidate.columns[others], clusters


def _positions(metric: Metric) -> dict[str, int]:
    positions = {unit: row for row, unit in enumerate(metric.ids)}
    if len(positions) != len(metric.ids):
        raise ValueError(f"metric {metric.name}: an id occurs twice; units cannot be paired")
    return positions


def _take(labels: Sequence[str], rows: NDArray[np.intp]) -> list[str]:
    return [labels[row] for row in rows.tolist()]


def _correlation(before: Floats, after: Floats) -> float | None:
    a, b = before - before.mean(), after - after.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 0 else None
