"""The headline: how many distinct usable questions does a model ask about an image?

A question is usable if it passes every gate. Gates are not traded against each other: temperature raises diversity and
lowers validity, and a weighted mean would let trivia buy back relevance with rare words.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

GATES = ("valid", "asks", "fluent", "complete", "relevant", "premises_hold", "answerable", "needs_image")
"""In the order of the funnel; a tier takes part of them."""
GATES_OF_TIER = {
    0: GATES[:4],
    1: GATES[:6],
    2: GATES[:6],
    3: GATES,
}
PATIENCE = 0.8
"""Probability that somebody who has read a question reads the next one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the funnel: the share of all questions that is left after it, and why others were lost in it."""

    gate: str
    share: float
    lost: dict[str, int]


def usable_at(classes: Sequence[int], usable: Sequence[bool], k: int) -> float | None:
    """Expected number of distinct usable questions in `k` draws from one image's questions, 0..k.

    A class of repeated questions counts once, if a usable member is drawn: sum over classes of
    1 - C(n - u, k) / C(n, k). With k = n it is the plain count. None if fewer than `k` were asked.
    """
    n = len(classes)
    if n < k:
        return None
    members = Counter(c for c, fine in zip(classes, usable, strict=True) if fine)
    return sum(1 - math.comb(n - u, k) / math.comb(n, k) for u in members.values())


def patient_utility(classes: Sequence[int], usable: Sequence[bool], patience: float = PATIENCE) -> float:
    """Share of the best possible value when questions are read in order and each is read with falling patience, 0..1
    (NoveltyBench, arXiv 2504.05228): a repeated or unusable question is worth nothing."""
    seen: set[int] = set()
    total = 0.0
    for place, (own, fine) in enumerate(zip(classes, usable, strict=True)):
        if fine and own not in seen:
            seen.add(own)
            total += patience**place
    best = sum(patience**place for place in range(len(classes)))
    return total / best if best else 0.0


def funnel(
    gates: Sequence[str], passed: Sequence[dict[str, bool | None]], reasons: Sequence[dict[str, str]]
) -> list[Step]:
    """Questions left after each gate in turn; a gate that could not be decided for a question lets it pass.

    `reasons` name what failed, by gate, for the questions that failed it.
    """
    left = list(range(len(passed)))
    steps = [Step("asked", 1.0 if passed else 0.0, {})]
    for gate in gates:
        lost = [i for i in left if passed[i].get(gate) is False]
        left = [i for i in left if passed[i].get(gate) is not False]
        named = Counter(reasons[i].get(gate, gate) for i in lost)
        steps.append(Step(gate, len(left) / len(passed) if passed else 0.0, dict(named.most_common())))
    return steps


def anchored(share: float, floor: float, ceiling: float) -> float | None:
    """A share corrected for gates that are wrong at known rates (Rogan & Gladen 1978): 0 is what questions about the
    wrong images reach, 1 is what people reach. None if people reach no more than those."""
    return (share - floor) / (ceiling - floor) if ceiling > floor else None
