"""From scored records to metrics: the helpers that tasks share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sqeval.records import Record
from sqeval.stats.metric import Metric, mean

Floats = NDArray[np.float64]


def means(records: Sequence[Record], score: str, tags: Iterable[str] = (), *, name: str | None = None) -> list[Metric]:
    """The mean of `score` over all records, then over each cell of each tag, the cells in natural order.

    Metrics are called `name` (default: the score's name) and ``name/tag=cell``. Records without a tag are in none of
    its cells.
    """
    all_of_them = column(name or score, records, score)
    metrics = [all_of_them]
    for tag in tags:
        rows: dict[str, list[int]] = {}
        for row, record in enumerate(records):
            if tag in record.tags:
                rows.setdefault(record.tags[tag], []).append(row)
        for cell in sorted(rows, key=_natural):
            metrics.append(_rows(all_of_them, f"{all_of_them.name}/{tag}={cell}", rows[cell]))
    return metrics


def column(name: str, records: Sequence[Record], score: str) -> Metric:
    """The mean of `score` over `records`."""
    values = np.fromiter((record.scores[score] for record in records), np.float64, len(records))
    return mean(name, [r.id for r in records], [r.cluster for r in records], values)


def _rows(metric: Metric, name: str, rows: Sequence[int]) -> Metric:
    """The same measure of some of the units."""
    ids, clusters = [metric.ids[row] for row in rows], [metric.clusters[row] for row in rows]
    return Metric(name, ids, clusters, metric.columns[rows], metric.function)


def ratio_of_sums(
    name: str, records: Sequence[Record], scores: Sequence[str], function: Callable[[Floats], Floats]
) -> Metric:
    """A metric that is a `function` of the sums of several scores over `records`."""
    columns = np.array([[r.scores[s] for s in scores] for r in records], dtype=np.float64)
    ids, clusters = [r.id for r in records], [r.cluster for r in records]
    return Metric(name, ids, clusters, columns.reshape(len(records), len(scores)), function)


def ratio(sums: Floats) -> Floats:
    """The first sum over the second, 0 where the second is 0: (..., 2) to (...)."""
    above, below = sums[..., 0], sums[..., 1]
    return np.divide(above, below, out=np.zeros(below.shape), where=below != 0)


def cells(records: Sequence[Record], tag: str) -> Mapping[str, list[Record]]:
    """Records by the value of `tag`; numbers sort as numbers, before names."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        if tag in record.tags:
            groups.setdefault(record.tags[tag], []).append(record)
    return {cell: groups[cell] for cell in sorted(groups, key=_natural)}


def _natural(cell: str) -> tuple[bool, int, str]:
    return (False, int(cell), "") if cell.isdecimal() else (True, 0, cell)
