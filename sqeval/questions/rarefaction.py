"""How many kinds a sample of fixed size is expected to show (Hurlbert 1971): the size-free form of counting distinct.

Anything counted as distinct grows or shrinks with how much was collected. The expected number of kinds in a draw of m
does not: it has a closed form, and no draw is made.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sqeval.questions.words import ngrams, tokens


def log_choose(n: float, k: float) -> float:
    """ln C(n, k); minus infinity for k > n."""
    if k > n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def expected_kinds(counts: Sequence[int], m: int) -> float:
    """Expected number of kinds among `m` drawn without replacement from a population with these counts.

    Raises ValueError for more than there are.
    """
    total = sum(counts)
    if m > total:
        raise ValueError(f"cannot draw {m} of {total}")
    whole = log_choose(total, m)
    times = Counter(counts)
    return sum(times[count] * -math.expm1(log_choose(total - count, m) - whole) for count in times)


def rarefied_distinct(texts: Iterable[str], n: int, m: int) -> float | None:
    """Share of distinct n-grams among `m` drawn from all n-grams of the texts, 0..1; None if there are fewer."""
    counts: Counter[Any] = Counter()
    for text in texts:
        counts.update(ngrams(tokens(text), n))
    if counts.total() < m:
        return None
    return expected_kinds(list(counts.values()), m) / m


def effective_number(labels: Iterable[Any]) -> float | None:
    """exp of the Miller-Madow entropy: how many equally frequent kinds would be as varied. None of nothing."""
    counts = np.array(list(Counter(labels).values()), dtype=np.float64)
    if not len(counts):
        return None
    shares = counts / counts.sum()
    entropy = -(shares * np.log(shares)).sum() + (len(counts) - 1) / (2 * counts.sum())
    return float(np.exp(entropy))
