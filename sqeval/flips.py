"""Units whose score changed between two runs, in both directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sqeval.cells import Cell
from sqeval.records import Record
from sqeval.stats.clusters import evaluator
from sqeval.stats.metric import Floats, Metric
from sqeval.stats.pairing import pairs
from sqeval.stats.significance import mcnemar


@dataclass(frozen=True, slots=True)
class Flip:
    """A unit whose score changed."""

    id: str
    base: float
    candidate: float
    base_answer: str | None
    candidate_answer: str | None
    image: str
    """Path under the data root, where a run tells it; else the unit's cluster, which is the image as a rule."""


@dataclass(frozen=True, slots=True)
class Flips:
    """All units whose score changed, those in the cells that lost most first."""

    n: int
    """Units compared."""
    worse: tuple[Flip, ...] = ()
    better: tuple[Flip, ...] = ()
    mcnemar: float | None = None
    """Exact p-value that ignores clusters, a cross-check; for scores of 0 and 1 alone."""

    @property
    def share(self) -> float:
        """Of the units whose score changed, 0..1."""
        return (len(self.worse) + len(self.better)) / max(1, self.n)


def per_unit(before: Mapping[str, Metric], after: Mapping[str, Metric]) -> str | None:
    """The first metric that is the mean of its units' own values in both runs: accuracy is, F1 is not."""
    for name in before:
        if "/" not in name and name in after and _is_mean(before[name]) and _is_mean(after[name]):
            return name
    return None


def _is_mean(metric: Metric) -> bool:
    n = len(metric.ids)
    if not metric.per_unit:
        return False
    if metric.function is None:
        return n > 0
    whole = evaluator(metric, n)(metric.columns.sum(axis=0))
    return n > 0 and bool(np.isclose(unit_values(metric).mean(), whole, rtol=0, atol=1e-9))


def unit_values(metric: Metric) -> Floats:
    """The metric of each single unit, (n,)."""
    return evaluator(metric, 1)(metric.columns)


def flips(
    before: Metric, after: Metric, answers: tuple[Sequence[Record], Sequence[Record]], cells: Sequence[Cell] = ()
) -> Flips:
    """Units whose score fell or rose; `answers` are both runs' records, for what was answered."""
    both = pairs(before, after)
    value_of = evaluator(before, 1)
    old, new = value_of(both.before), value_of(both.after)
    rows = np.flatnonzero(old != new).tolist()
    units = {both.metric.ids[row] for row in rows}
    said, says = ({record.id: record for record in records if record.id in units} for records in answers)
    found = []
    for row in rows:
        unit = both.metric.ids[row]
        then, now = said.get(unit), says.get(unit)  # a unit that is a group of samples has no answer of its own
        image = (then and then.image) or (now and now.image) or both.metric.clusters[row]
        said_then, said_now = (None if record is None else record.parsed for record in (then, now))
        found.append(Flip(unit, float(old[row]), float(new[row]), said_then, said_now, image))
    rank = {cell.name: place for place, cell in enumerate(cells)}
    found.sort(key=lambda flip: min((rank.get(name, len(rank)) for name in _cells(said.get(flip.id))), default=0))
    sign = 1 if before.higher_is_better else -1
    worse = tuple(flip for flip in found if sign * (flip.candidate - flip.base) < 0)
    better = tuple(flip for flip in found if sign * (flip.candidate - flip.base) > 0)
    binary = bool(np.isin(old, (0, 1)).all() and np.isin(new, (0, 1)).all())
    return Flips(len(old), worse, better, mcnemar(len(worse), len(better)) if binary else None)


def _cells(record: Record | None) -> list[str]:
    return [] if record is None else [f"{tag}={value}" for tag, value in record.tags.items()]
