"""One run's metric with its standard error and interval, clustered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sqeval.stats.clusters import added, bootstrap_sums, cluster_codes, cluster_sums, evaluator
from sqeval.stats.distributions import normal_cdf, t_quantile
from sqeval.stats.metric import Floats, Metric
from sqeval.stats.repeats import averaged

_ROUNDING = 1e-12
"""Standard errors below this are sums of rounding errors: every cluster says the same."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its uncertainty, in the metric's own units (fractions: 0..1).

    The interval of a fraction is not clipped to 0..1: cutting it would hide how little a small sample tells.
    """

    value: float
    """NaN if it is not defined: no units, or a ratio of nothing to nothing."""
    stderr: float | None
    """None where it cannot be known: fewer than two clusters."""
    low: float | None
    high: float | None
    n: int
    """Units: samples, or groups of samples."""
    clusters: int
    design_effect: float | None = None
    """Clustered variance over the variance that independent units would have; means only."""
    scale: int = 100
    """What people print for a value of 1."""

    @property
    def effective_n(self) -> float | None:
        """Independent units that would give the same standard error."""
        return self.n / self.design_effect if self.design_effect else None

    @property
    def half_width(self) -> float | None:
        """Half the interval's width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    def to_json(self) -> dict[str, Any]:
        """As it stands in metrics.json; what is not defined is null, never NaN."""
        return {
            "value": None if math.isnan(self.value) else self.value,
            "stderr": self.stderr,
            "ci95": None if self.low is None else [self.low, self.high],
            "n": self.n,
            "clusters": self.clusters,
            **({} if self.scale == 100 else {"scale": self.scale}),
        }


def estimate(metric: Metric, *, replicates: int = 1000, seed: int = 0, level: float = 0.95) -> Estimate:
    """Value, clustered standard error and interval of `metric`.

    A mean has the closed form of Miller 2024 (arXiv 2411.00640), eq. 4, with the CR1 factor C/(C-1) and Student's t
    with C-1 degrees of freedom. A function of sums has a bootstrap over clusters (`bootstrap_spread`). Ids that occur
    several times are averaged first.
    """
    metric = averaged(metric)
    n = len(metric.ids)
    codes, clusters = cluster_codes(metric.clusters)
    if n == 0:
        return Estimate(math.nan, None, None, None, 0, 0)
    sums = cluster_sums(metric.columns, codes, clusters)
    total = added(metric.columns)
    value = float(evaluator(metric, n)(total))
    if metric.percent_first:
        value = _printing(100 * float(total[0]) / n, value)
    if clusters < 2 or math.isnan(value):
        return Estimate(value, None, None, None, n, clusters, scale=metric.scale)
    if metric.function is None:
        spread = mean_spread(metric.columns[:, 0], codes, clusters, level)
    else:
        drawn = evaluator(metric, n)(bootstrap_sums(sums, replicates=replicates, seed=seed))
        spread = bootstrap_spread(drawn, clusters, level)
    return Estimate(value, spread.stderr, spread.low, spread.high, n, clusters, spread.design_effect, metric.scale)


class Spread(NamedTuple):
    """Standard error, interval and design effect; None where they cannot be known."""

    stderr: float | None
    low: float | None
    high: float | None
    design_effect: float | None


def mean_spread(values: Floats, codes: NDArray[np.intp], clusters: int, level: float) -> Spread:
    """CR1 standard error of the mean of `values`, (n,), with Student's t on C-1 degrees of freedom; C >= 2."""
    n, center = len(values), float(values.mean())
    residuals = values - center
    sums = np.bincount(codes, weights=residuals, minlength=clusters)
    variance = clusters / (clusters - 1) * float(sums @ sums) / n**2
    plain = float(residuals @ residuals) / (n - 1) / n
    stderr = _significant(math.sqrt(variance))
    margin = t_quantile(0.5 + level / 2, clusters - 1) * stderr
    return Spread(stderr, center - margin, center + margin, variance / plain if plain > 0 else None)


def bootstrap_spread(drawn: Floats, clusters: int, level: float) -> Spread:
    """Standard error and interval from bootstrap replicates, (R,); those without a value are left out.

    The standard error is the replicates' standard deviation (never divided by the root of R). It and the percentiles
    are widened for few clusters as the closed form is, by C/(C-1) and Student's t: the expanded percentile interval
    of Hesterberg 2015 (The American Statistician 69:4).
    """
    known = drawn[~np.isnan(drawn)]
    if len(known) < 2:
        return Spread(None, None, None, None)
    widening = math.sqrt(clusters / (clusters - 1))
    tail = normal_cdf(-widening * t_quantile(0.5 + level / 2, clusters - 1))
    low, high = np.quantile(known, [tail, 1 - tail])
    return Spread(_significant(float(known.std(ddof=1)) * widening), float(low), float(high), None)


def _printing(percent: float, value: float) -> float:
    """`value`, or the number nearest to it that prints as `percent`: to two decimals, in hundredths. Rounding errors
    of the last bit show where the exact value lies between two such numbers."""
    steps = (value + step * math.ulp(value) for step in (0, 1, -1, 2, -2, 3, -3))
    return next((near for near in steps if f"{100 * near:.2f}" == f"{percent:.2f}"), value)


def _significant(stderr: float) -> float:
    return stderr if stderr > _ROUNDING else 0.0
