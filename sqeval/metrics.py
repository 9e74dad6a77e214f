"""From scored records to metrics: the helpers that tasks share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sqeval.records import Record
from sqeval.stats.labels import Labels
from sqeval.stats.metric import Metric, mean

Floats = NDArray[np.float64]


def means(
    records: Sequence[Record],
    score: str,
    tags: Iterable[str] = (),
    *,
    name: str | None = None,
    percent_first: bool = False,
) -> list[Metric]:
    """The mean of `score` over all records, then over each cell of each tag, the cells in natural order.

    Metrics are called `name` (default: the score's name) and ``name/tag=cell``. Records without a tag are in none of
    its cells. `percent_first`: see `Metric`.
    """
    name = name or score
    whole = replace(column(name, records, score), percent_first=percent_first)
    parts = ((f"{name}/{tag}={cell}", rows) for tag in tags for cell, rows in _rows(records, tag).items())
    return [whole, *(_part(whole, part, rows) for part, rows in parts)]


def column(name: str, records: Sequence[Record], score: str) -> Metric:
    """The mean of `score` over `records`."""
    values = np.fromiter((record.scores[score] for record in records), np.float64, len(records))
    return mean(name, *_units(records), values)


def ratio_of_sums(
    name: str, records: Sequence[Record], scores: Sequence[str], function: Callable[[Floats], Floats]
) -> Metric:
    """A metric that is a `function` of the sums of several scores over `records`."""
    columns = np.array([[r.scores[s] for s in scores] for r in records], dtype=np.float64)
    return Metric(name, *_units(records), columns.reshape(len(records), len(scores)), function)


def ratio(sums: Floats) -> Floats:
    """The first sum over the second, 0 where the second is 0: (..., 2) to (...)."""
    above, below = sums[..., 0], sums[..., 1]
    return np.divide(above, below, out=np.zeros(below.shape), where=below != 0)


def cells(records: Sequence[Record], tag: str) -> Mapping[str, list[Record]]:
    """Records by the value of `tag`; numbers sort as numbers, before names."""
    return {cell: [records[row] for row in rows] for cell, rows in _rows(records, tag).items()}


def _rows(records: Sequence[Record], tag: str) -> Mapping[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for row, record in enumerate(records):
        cell = record.tags.get(tag)
        if cell is not None:
            groups.setdefault(cell, []).append(row)
    return {cell: groups[cell] for cell in sorted(groups, key=_natural)}


def _units(records: Sequence[Record]) -> tuple[Labels, Labels]:
    """Their ids and their clusters."""
    return Labels.of([record.id for record in records]), Labels.in_order([record.cluster for record in records])


def _part(whole: Metric, name: str, rows: list[int]) -> Metric:
    chosen = np.array(rows, dtype=np.intp)
    ids, clusters = (Labels.of(labels).take(chosen) for labels in (whole.ids, whole.clusters))
    return replace(whole, name=name, ids=ids, clusters=clusters, columns=whole.columns[chosen])


def _natural(cell: str) -> tuple[bool, int, str]:
    return (False, int(cell), "") if cell.isdecimal() else (True, 0, cell)
