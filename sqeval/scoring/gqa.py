"""GQA: exact match, and the measures beyond accuracy.

Source: the official `eval.py` of GQA (Hudson & Manning 2019), version 1.2.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]

_COMMON = frozenset({"color", "material", "shape"})
_NOT_A_STEP = ("exist", "query: name", "choose name")


def normalize(response: str) -> str:
    """What LLaVA's converter makes of a response: trailing periods go, and capitals. Nothing else is touched."""
    return response.rstrip(".").lower()


def steps(program: Iterable[tuple[str, str]]) -> int:
    """Reasoning steps of a semantic program of (operation, argument)."""
    lines = (f"{operation}: {argument}" for operation, argument in program)
    return sum(not any(word in line for word in _NOT_A_STEP) for line in lines)


def acceptable(listed: Collection[str], detailed_type: str) -> frozenset[str]:
    """Answers that are valid (or plausible), given those listed for the question.

    For questions about what things have in common the list is replaced by the three attributes there are.
    """
    return _COMMON if "Common" in detailed_type else frozenset(listed)


def consistency(correct: Mapping[str, float], entailed: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """By correctly answered question: the share of the questions entailed by it that are answered correctly.

    `entailed` names the questions to look at and what each entails, itself excluded; those that are wrong, or that
    entail nothing, have no consistency. The measure is the mean of the result. Raises KeyError if `correct` lacks
    an entailed question.
    """
    result = {}
    for key, others in entailed.items():
        if correct[key] and others:
            total = 0.0
            for other in others:
                total += correct[other]
            result[key] = total / len(others)
    return result


def grounding(attention: Sequence[Sequence[float]], regions: Iterable[Box]) -> float:
    """How much of a spatial attention map falls on the regions that the question and its answer are about.

    `attention` is square; as in the official code its first index counts columns. A region is (left, top, right,
    bottom) in shares of the image. Every cell counts with the part of it that a region covers, once a region.
    """
    size = len(attention)
    total = 0.0
    for left, top, right, bottom in regions:
        for y in range(size):
            for x in range(size):
                wide = min((x + 1) / size, right) - max(x / size, left)
                high = min((y + 1) / size, bottom) - max(y / size, top)
                if wide > 0 and high > 0:
                    total += attention[x][y] * wide * high * size * size
    return total


def distribution(
    groups: Sequence[str], answers: Sequence[str], predictions: Sequence[str | None], units: Sequence[str]
) -> tuple[list[str], Floats, Callable[[Floats], Floats]]:
    """How far the predicted answers' distribution is from the true one, group by group; lower is better.

    Takes one entry a question: global group, true answer, prediction, and the unit (image) it is counted in.
    Returns the units in order of appearance, a count matrix (units, 2 * cells), where a cell is a true answer of a
    group and the first half counts truths, the second half predictions; and the function from column sums (..., 2 *
    cells) to the measure (...): per group the chi-square statistic, averaged over groups by size, over 100.
    """
    cells = _cells(groups, answers)
    rows = {unit: i for i, unit in enumerate(dict.fromkeys(units))}
    counts = np.zeros((len(rows), 2 * len(cells)))
    for group, answer, prediction, unit in zip(groups, answers, predictions, units, strict=True):
        counts[rows[unit], cells[group, answer]] += 1
        if prediction is not None and (group, prediction) in cells:
            counts[rows[unit], len(cells) + cells[group, prediction]] += 1
    names = [group for group, _ in cells]
    starts = [i for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    return list(rows), counts, lambda sums: _chi_square(sums, starts)


def _cells(groups: Sequence[str], answers: Sequence[str]) -> dict[tuple[str, str], int]:
    """Number of each (group, answer), the groups side by side, all in order of appearance."""
    order = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    pairs = dict.fromkeys(zip(groups, answers, strict=True))
    return {pair: i for i, pair in enumerate(sorted(pairs, key=lambda pair: order[pair[0]]))}


def _chi_square(sums: Floats, starts: Sequence[int]) -> Floats:
    expected, observed = np.split(sums, 2, axis=-1)
    terms = np.divide((observed - expected) ** 2, expected, out=np.zeros_like(expected), where=expected != 0)
    size = np.add.reduceat(expected, starts, axis=-1)
    chi = np.add.reduceat(terms, starts, axis=-1)
    return np.asarray((chi * size).sum(axis=-1) / size.sum(axis=-1) / 100)
