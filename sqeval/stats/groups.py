"""Means of means: over the groups of one benchmark, and over benchmarks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sqeval.stats.distributions import t_quantile
from sqeval.stats.metric import Floats, Metric


def macro_mean(name: str, ids: Sequence[str], clusters: Sequence[str], values: Floats, groups: Sequence[str]) -> Metric:
    """The unweighted mean over groups of the means of `values`, (n,), within each group.

    As a function of each group's sum and count, so that its error bar is its own: that of the pooled mean is too small
    where a small group weighs as much as a large one. Clusters may reach over several groups.
    """
    names = sorted(set(groups))
    index = {group: number for number, group in enumerate(names)}
    member = np.zeros((len(ids), len(names)))
    member[np.arange(len(ids)), [index[group] for group in groups]] = 1
    columns = np.hstack([member * np.asarray(values, dtype=np.float64)[:, None], member])

    def function(sums: Floats) -> Floats:
        totals, counts = sums[..., : len(names)], sums[..., len(names) :]
        return np.asarray((totals / counts).mean(axis=-1))  # NaN where a resample lacks a group

    return Metric(name, ids, clusters, columns, function)


@dataclass(frozen=True, slots=True)
class Average:
    """An unweighted mean of independent values."""

    value: float
    stderr: float
    low: float
    high: float


def average(values: Sequence[float], stderrs: Sequence[float], clusters: Sequence[int], level: float = 0.95) -> Average:
    """Mean of K independent values: SE = sqrt(sum of SE_k^2) / K. For a mean difference, give paired errors.

    Student's t with the fewest degrees of freedom of any of them, C_k - 1, which is wide rather than narrow.
    Raises ValueError for no value at all.
    """
    if not values:
        raise ValueError("the mean of no values is not defined")
    center = math.fsum(values) / len(values)
    stderr = math.sqrt(math.fsum(error**2 for error in stderrs)) / len(values)
    margin = t_quantile(0.5 + level / 2, min(clusters) - 1) * stderr
    return Average(center, stderr, center - margin, center + margin)
