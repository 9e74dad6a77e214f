"""Tests of "no difference", and their correction when there are several."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sqeval.stats.metric import Floats

_ENUMERATED = 12
"""Up to so many clusters all swaps are tried (4,096); with more they are drawn."""


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
    this is the sign-flip test of the clusters' differences. Good for few clusters; the p-value cannot be 0. Exact if
    at most 12 clusters differ; else from random swaps, of which the observed one counts as one.
    """
    gap = (candidate - base)[np.any(candidate != base, axis=1)]
    exact = len(gap) <= _ENUMERATED
    swaps = (_all_swaps(len(gap)) if exact else _drawn_swaps(len(gap), replicates, seed)).astype(np.float64) @ gap
    total = base.sum(axis=0)
    drawn = np.abs(value(total + gap.sum(axis=0) - swaps) - value(total + swaps))
    observed = abs(float(value(candidate.sum(axis=0)) - value(total)))
    at_least, known = int(np.sum(drawn >= observed * (1 - 1e-9) - 1e-12)), int(np.sum(~np.isnan(drawn)))
    return at_least / known if exact else (1 + at_least) / (1 + known)


@lru_cache(maxsize=16)
def _all_swaps(clusters: int) -> NDArray[np.int8]:
    """Every pattern of swaps: (2^C, C) of 0 and 1."""
    patterns = np.arange(2**clusters)[:, None] >> np.arange(clusters)[None, :]
    return (patterns & 1).astype(np.int8)


@lru_cache(maxsize=16)
def _drawn_swaps(clusters: int, replicates: int, seed: int) -> NDArray[np.int8]:
    """Random patterns of swaps: (R, C) of 0 and 1."""
    return np.random.default_rng(seed).integers(0, 2, size=(replicates, clusters), dtype=np.int8)


def holm(pvalues: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: reject those below alpha; the family-wise error stays below it."""
    adjusted = [1.0] * len(pvalues)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(pvalues)), key=lambda i: pvalues[i])):
        largest = max(largest, min(1.0, (len(pvalues) - rank) * pvalues[index]))
        adjusted[index] = largest
    return adjusted
