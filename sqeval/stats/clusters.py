"""Clusters: which units were sampled together, their sums, and resampling them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sqeval.stats.labels import Labels
from sqeval.stats.metric import Floats, Metric

_CHUNK = 2_000_000
"""Bootstrap weights held at a time (16 MB), so that memory does not grow with the number of replicates."""


def cluster_codes(labels: Sequence[str]) -> tuple[NDArray[np.intp], int]:
    """Number of each unit's cluster, 0..C-1, (n,), and C.

    Clusters are numbered by name, so that bootstrap draws do not depend on the order of units.
    """
    return Labels.in_order(labels).compact()


def cluster_sums(columns: Floats, codes: NDArray[np.intp], clusters: int) -> Floats:
    """Column sums within each cluster: (n, k) and (n,) to (C, k)."""
    sums = [np.bincount(codes, weights=column, minlength=clusters) for column in columns.T]
    return np.stack(sums, axis=-1) if sums else np.zeros((clusters, 0))


def added(columns: Floats) -> Floats:
    """Column sums, (n, k) to (k,), from the first unit to the last in plain floating point, as official evaluators add
    up: numpy's own sum adds in pairs, and may differ in the last bit, which rounding to two decimals can show."""
    return np.asarray(np.add.accumulate(columns, axis=0)[-1])


def bootstrap_sums(sums: Floats, *, replicates: int, seed: int) -> Floats:
    """Column sums of bootstrap samples of whole clusters: (C, k) to (R, k).

    The number of times that each cluster is drawn is multinomial; it multiplies the clusters' sums, so that all
    replicates are one matrix product. The same seed and C draw the same clusters.
    """
    clusters = len(sums)
    rng = np.random.default_rng(seed)
    out = np.empty((replicates, sums.shape[1]))
    step = max(1, _CHUNK // max(1, clusters))
    for start in range(0, replicates, step):
        rows = range(start, min(start + step, replicates))
        weights = np.stack([np.bincount(rng.integers(clusters, size=clusters), minlength=clusters) for _ in rows])
        out[rows.start : rows.stop] = weights.astype(np.float64) @ sums
    return out


def evaluator(metric: Metric, n: int) -> Callable[[Floats], Floats]:
    """Function from column sums over `n` units, (..., k), to the metric's values, (...); NaN where it has none."""

    def evaluate(sums: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = sums[..., 0] / n if metric.function is None else metric.function(sums)
        return np.asarray(values, dtype=np.float64)

    return evaluate
