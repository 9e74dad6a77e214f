"""The difference of two runs on one metric: paired by unit and clustered."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sqeval.stats import power as planning
from sqeval.stats.clusters import bootstrap_sums, cluster_sums, evaluator
from sqeval.stats.distributions import t_two_sided
from sqeval.stats.estimates import Spread, bootstrap_spread, mean_spread
from sqeval.stats.metric import Floats, Metric
from sqeval.stats.pairing import Pairs, pairs
from sqeval.stats.significance import swap_test

FEW_CLUSTERS = 40
"""If the runs differ in fewer clusters, the p-value comes from swapping them there instead of from Student's t."""


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
    scale: int = 100
    """What people print for a difference of 1."""
    design_effect: float | None = None
    correlation: float | None = None
    """Of the two sides' values over units; means only."""

    @property
    def effective_n(self) -> float | None:
        """Independent pairs that would give the same standard error; means only."""
        return self.n / self.design_effect if self.design_effect else None

    @property
    def gain(self) -> float:
        """The value with the sign that makes a better candidate positive."""
        return self.value if self.higher_is_better else -self.value

    @property
    def gain_bounds(self) -> tuple[float, float]:
        """The interval of `gain`; unbounded if it is not known."""
        if self.low is None or self.high is None:
            return -math.inf, math.inf
        return (self.low, self.high) if self.higher_is_better else (-self.high, -self.low)


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
    p-value from t of value over standard error. If the runs differ in fewer than 40 clusters, the p-value is that of
    the permutation that swaps them there: t takes a handful of flips in one direction for certain too soon.
    Ids that occur several times are averaged first. Raises ValueError for a unit that is in another cluster in the
    other run.
    """
    return compared(pairs(base, candidate), replicates=replicates, seed=seed, level=level, power=power)


def compared(
    both: Pairs, *, replicates: int = 1000, seed: int = 0, level: float = 0.95, power: float = 0.8
) -> Difference:
    """`difference` of metrics that are paired already."""
    before, after, codes, clusters = both.before, both.after, both.codes, both.clusters
    n, width = before.shape
    identical = bool(np.array_equal(before, after))
    sums = np.hstack([cluster_sums(before, codes, clusters), cluster_sums(after, codes, clusters)])
    value_of = evaluator(both.metric, n)

    def change(sides: Floats) -> Floats:
        return value_of(sides[..., width:]) - value_of(sides[..., :width])

    total = sums.sum(axis=0)
    value = float(change(total))
    spread, p, correlation = Spread(None, None, None, None), None, None
    if clusters >= 2 and not math.isnan(value):
        if both.metric.function is None:
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
        higher_is_better=both.metric.higher_is_better,
        scale=both.metric.scale,
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
    if stderr == 0 or np.count_nonzero(np.any(before != after, axis=1)) < FEW_CLUSTERS:
        return swap_test(before, after, value_of, seed=seed)
    return t_two_sided(value / stderr, len(before) - 1)


def _correlation(before: Floats, after: Floats) -> float | None:
    a, b = before - before.mean(), after - after.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 0 else None
