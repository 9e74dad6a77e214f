"""Tests of "no difference", and their correction when there are several."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from sqeval.stats.metric import Floats


def mcnemar(worse: int, better: int) -> float:
    """Exact two-sided McNemar p-value from the numbers of discordant pairs; 1 if there are none.

    Valid for independent pairs only: a cross-check beside the clustered test, never the verdict.
    """
    pairs, fewer = worse + better, min(worse, better)
    # Sum of binomials, each in logarithms: C(100000, 50000) does not fit a float.
    log_half = pairs * math.log(2)
    tail = math.fsum(
        math.exp(math.lgamma(pairs + 1) - math.lgamma(k + 1) - math.lgamma(pairs - k + 1) - log_half)
        for k in range(fewer + 1)
    )
    return min(1.0, 2 * tail)


def swap_test(
    base: Floats, candidate: Floats, value: Callable[[Floats], Floats], *, replicates: int = 9999, seed: int = 0
) -> float:
    """Two-sided permutation p-value that swaps the two runs within whole clusters.

    `base` and `candidate` are sums within clusters, (C, k); `value` maps sums, (..., k), to values, (...). For a mean
    this is the sign-flip test of the clusters' differences. Good for few clusters; the p-value cannot be 0.
    """
    gap = candidate - base
    swaps = np.random.default_rng(seed).integers(0, 2, size=(replicates, len(base))).astype(np.float64) @ gap
    total = base.sum(axis=0)
    drawn = np.abs(value(total + gap.sum(axis=0) - swaps) - value(total + swaps))
    observed = abs(float(value(candidate.sum(axis=0)) - value(total)))
    at_least = int(np.sum(drawn >= observed * (1 - 1e-9) - 1e-12))
    return (1 + at_least) / (1 + int(np.sum(~np.isnan(drawn))))


def holm(pvalues: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: reject those below alpha; the family-wise error stays below it."""
    adjusted = [1.0] * len(pvalues)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(pvalues)), key=lambda i: pvalues[i])):
        largest = max(largest, min(1.0, (len(pvalues) - rank) * pvalues[index]))
        adjusted[index] = largest
    return adjusted
