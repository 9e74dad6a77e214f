"""Parts of a task, and what two runs differ by in each: where did it get worse?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from sqeval.stats.differences import Difference, compared, difference
from sqeval.stats.metric import Metric
from sqeval.stats.pairing import Pairs, pairs
from sqeval.stats.significance import holm

SMALLEST = 30
"""Units that a cell of two tags must have."""
MOST_CROSSINGS = 250
"""Two tags with more combinations of values are not crossed."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of the task, and the difference there."""

    name: str
    """``structural=query``, or of two tags ``structural=query, semantic=rel``."""
    difference: Difference
    p: float | None = None
    """Adjusted by Holm's method for all cells of the task."""

    @property
    def gain(self) -> float:
        """The most that the cell can have gained, by its own interval; below 0 it has lost."""
        return self.difference.gain_bounds[1]


def cells(
    before: Mapping[str, Metric], after: Mapping[str, Metric], wholes: Sequence[str], level: float
) -> tuple[Cell, ...]:
    """Differences in the breakdown cells of the first of the metrics `wholes` that has any, lost ones first.

    Cells are those that the task reports, and where these are means also those of two tags at once.
    """
    for whole in wholes:
        start = f"{whole}/"
        names = [name for name in before if name.startswith(start) and name in after and len(before[name].ids)]
        if names:
            both = pairs(before[whole], after[whole])
            found: list[Cell] = []
            parts: dict[str, NDArray[np.intp]] = {}
            row = {unit: number for number, unit in enumerate(both.metric.ids)}
            for name in names:
                rows = _rows(before[name], both, row)
                gap = difference(before[name], after[name], level=level) if rows is None else _in(both, rows, level)
                found.append(Cell(name.removeprefix(start), gap))
                if rows is not None:
                    parts[name.removeprefix(start)] = rows
            found += [Cell(name, _in(both, rows, level)) for name, rows in _crossed(len(row), parts)]
            return _adjusted(found)
    return ()


def _in(both: Pairs, rows: NDArray[np.intp], level: float) -> Difference:
    return compared(both.part(rows), level=level)


def _rows(cell: Metric, both: Pairs, row: Mapping[str, int]) -> NDArray[np.intp] | None:
    """Where the units of `cell` stand in the whole; None if it is no part of a mean."""
    if both.metric.function is not None or cell.function is not None:
        return None
    try:
        rows = np.fromiter(map(row.__getitem__, cell.ids), np.intp, len(cell.ids))
    except KeyError:  # a unit that the other run lacks
        return None
    return rows if np.array_equal(both.before[rows], cell.columns) else None


def _adjusted(found: Sequence[Cell]) -> tuple[Cell, ...]:
    tested = [cell for cell in found if cell.difference.p is not None]
    adjusted = holm([cell.difference.p for cell in tested if cell.difference.p is not None])
    pvalues = {cell.name: p for cell, p in zip(tested, adjusted, strict=True)}
    return tuple(sorted((replace(c, p=pvalues.get(c.name)) for c in found), key=lambda cell: cell.gain))


def _crossed(n: int, parts: Mapping[str, NDArray[np.intp]]) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Names and rows of the cells of two tags; `parts` are those of one, named ``tag=value``.

    A cell of two tags that is all of a cell of one tells nothing new and is left out.
    """
    tags = _numbered(n, parts)
    for (one, those), (other, these) in combinations(tags.values(), 2):
        if len(one) * len(other) > MOST_CROSSINGS:
            continue
        both = np.where((those < 0) | (these < 0), -1, those * len(other) + these)
        order = np.argsort(both, kind="stable")
        ends = np.searchsorted(both[order], np.arange(len(one) * len(other) + 1))
        for code, (start, end) in enumerate(pairwise(ends.tolist())):
            first, second = one[code // len(other)], other[code % len(other)]
            if SMALLEST <= end - start < min(len(parts[first]), len(parts[second])):
                yield f"{first}, {second}", order[start:end]


def _numbered(n: int, parts: Mapping[str, NDArray[np.intp]]) -> dict[str, tuple[list[str], NDArray[np.intp]]]:
    """By tag: the names of its cells, and the number of the cell of each of n units, -1 for none."""
    tags: dict[str, tuple[list[str], NDArray[np.intp]]] = {}
    for name, rows in parts.items():
        names, numbers = tags.setdefault(name.partition("=")[0], ([], np.full(n, -1)))
        numbers[rows] = len(names)
        names.append(name)
    return tags
