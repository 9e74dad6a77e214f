"""Random choices that are the same on every machine and Python version.

Only `random.Random.random` and `randbytes` are used: Python promises that a seed gives the same sequence of `random()`
for ever, and promises nothing of the kind for `choice`, `shuffle` or NumPy's generators.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Rng:
    """A stream of choices named by its seed, e.g. ``Rng("val", 17)``."""

    def __init__(self, *seed: object) -> None:
        self._random = random.Random("/".join(map(str, seed)))

    def below(self, n: int) -> int:
        """Integer in 0..n-1."""
        return int(self._random.random() * n)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self._random.random() < probability

    def choice(self, items: Sequence[T]) -> T:
        """One item, uniformly."""
        return items[self.below(len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """One item with probability proportional to its weight."""
        total = 0.0
        for weight in weights:  # not sum(), which rounds differently since Python 3.12
            total += weight
        point = self._random.random() * total
        for item, weight in zip(items, weights, strict=True):
            point -= weight
            if point < 0:
                return item
        return items[-1]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """A random order (Fisher-Yates)."""
        order = list(items)
        for i in range(len(order) - 1, 0, -1):
            j = self.below(i + 1)
            order[i], order[j] = order[j], order[i]
        return order

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """At most k distinct items in random order."""
        return self.shuffled(items)[:k]

    def bytes(self, n: int) -> bytes:
        """n random bytes."""
        return self._random.randbytes(n)
