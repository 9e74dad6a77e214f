"""Where two runs differ: units whose score flipped, and parts of the task that lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sqeval.records import Record
from sqeval.stats.clusters import evaluator
from sqeval.stats.differences import Difference, difference
from sqeval.stats.metric import Floats, Metric
from sqeval.stats.significance import mcnemar


@dataclass(frozen=True, slots=True)
class Flip:
    """A unit whose score changed."""

    id: str
    base: float
    candidate: float
    base_answer: str | None
    candidate_answer: str | None


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of the task, and the difference there; its interval is not adjusted for the number of cells."""

    name: str
    difference: Difference

    @property
    def gain(self) -> float:
        """The most that the cell can have gained; below 0 it has lost for sure."""
        found = self.difference
        if found.low is None or found.high is None:
            return float("inf")
        return found.high if found.higher_is_better else -found.low


@dataclass(frozen=True, slots=True)
class Flips:
    """All units whose score changed."""

    worse: tuple[Flip, ...] = ()
    better: tuple[Flip, ...] = ()
    mcnemar: float | None = None
    """Exact p-value that ignores clusters, a cross-check; for scores of 0 and 1 alone."""


def per_unit(before: Mapping[str, Metric], after: Mapping[str, Metric]) -> str | None:
    """The first metric that is the mean of its units' own values in both runs: accuracy is, F1 is not."""
    for name in before:
        if "/" not in name and name in after and _is_mean(before[name]) and _is_mean(after[name]):
            return name
    return None


def _is_mean(metric: Metric) -> bool:
    n = len(metric.ids)
    whole = evaluator(metric, n)(metric.columns.sum(axis=0))
    return n > 0 and bool(np.isclose(unit_values(metric).mean(), whole, rtol=0, atol=1e-9))


def unit_values(metric: Metric) -> Floats:
    """The metric of each single unit, (n,)."""
    return evaluator(metric, 1)(metric.columns)


def flips(before: Metric, after: Metric, answers: tuple[Sequence[Record], Sequence[Record]]) -> Flips:
    """Units whose score fell or rose; `answers` are both runs' records, for what was answered."""
    sign = 1 if before.higher_is_better else -1
    said, says = ({record.id: record.parsed for record in records} for records in answers)
    old, new = unit_values(before), unit_values(after)
    later = dict(zip(after.ids, new.tolist(), strict=True))
    worse: list[Flip] = []
    better: list[Flip] = []
    for unit, score in zip(before.ids, old.tolist(), strict=True):
        now = later.get(unit, score)
        if now != score:
            side = worse if sign * (now - score) < 0 else better
            side.append(Flip(unit, score, now, said.get(unit), says.get(unit)))
    binary = bool(np.isin(old, (0, 1)).all() and np.isin(new, (0, 1)).all())
    return Flips(tuple(worse), tuple(better), mcnemar(len(worse), len(better)) if binary else None)


def cells(
    before: Mapping[str, Metric], after: Mapping[str, Metric], wholes: Sequence[str], level: float
) -> tuple[Cell, ...]:
    """Differences in the breakdown cells of the first of the metrics `wholes` that has any, lost ones first."""
    for whole in wholes:
        names = [name for name in before if name.startswith(f"{whole}/") and name in after]
        if names:
            found = [
                Cell(name.removeprefix(f"{whole}/"), difference(before[name], after[name], level=level))
                for name in names
            ]
            return tuple(sorted(found, key=lambda cell: cell.gain))
    return ()
