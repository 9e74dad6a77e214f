"""All runs of a results folder, in tables of runs that answered the same data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from statistics import fmean

from sqeval.errors import UserError
from sqeval.protocol import OFFICIAL
from sqeval.runs import Run, TaskRun

UNANSWERED = ("errored", "missing")
"""Counts of metrics.json of samples that count as wrong for want of an answer."""


class Standing(StrEnum):
    """Whether a run can be ranked."""

    FULL = "full"
    PARTIAL = "partial"
    """Of a part of the samples, or with samples that have no answer: shown, not ranked."""
    FLOOR = "floor"
    """Never sees the image: what a score has to beat."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ranked run stands in one task."""

    rank: int
    """1 and the number of ranked runs that score higher."""
    second: bool = False
    """Only the best score is higher."""
    bounds: tuple[int, int] | None = None
    """95 % interval of the rank; None if it is not known."""
    tied: bool | None = None
    """Not shown to differ from the best (`sqeval.places`); None for the best, and if it is not known."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row: one run."""

    run: Run
    standing: Standing
    flags: tuple[str, ...]
    """Why it is not ranked, in words."""
    places: Mapping[str, Place] = field(default_factory=dict)
    """By task; empty for a run that is not ranked."""

    @property
    def best(self) -> set[str]:
        """Tasks in which no ranked run scores higher."""
        return {task for task, place in self.places.items() if place.rank == 1}


@dataclass(slots=True)
class Board:
    """A table: runs about the same data."""

    data: str
    """The data root as it was typed."""
    protocol: str = OFFICIAL
    """Whose evaluation the runs reproduce."""
    hashes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Data hash, version and judge of each task."""
    entries: list[Entry] = field(default_factory=list)
    """Ranked ones first, the best first; then partial ones, then floors."""
    sort: str | None = None
    """The task that orders the rows; None: the mean rank over tasks."""

    @property
    def tasks(self) -> list[str]:
        """Columns, by name."""
        return sorted(self.hashes)

    @property
    def ranked(self) -> list[Entry]:
        """The entries that are ranked."""
        return [entry for entry in self.entries if entry.standing is Standing.FULL]


def boards(runs: Iterable[Run], sort: str | None = None) -> list[Board]:
    """Group runs by data and protocol and rank them; `sort` names the task whose score orders the rows of tables that
    have it.

    Two runs share a table if every task that both did read the same files in the same version, and was scored by the
    same judge if it needs one. Runs without a task in common share one if their data root has the same name.
    Raises UserError if no run has the task `sort`.
    """
    found: list[Board] = []
    for run in sorted(runs, key=_by_table):
        keys = {name: _key(task) for name, task in run.tasks.items()}
        board = next((board for board in found if _fits(board, run, keys)), None)
        if board is None:
            board = Board(run.data, run.protocol)
            found.append(board)
        board.hashes.update(keys)
        board.entries.append(_entry(run))
    known = sorted({task for board in found for task in board.hashes})
    if sort is not None and sort not in known:
        raise UserError(f"--sort {sort}: no run has this task; there are: {', '.join(known) or 'none'}")
    for board in found:
        _rank(board, sort)
    return found


def score(task: TaskRun) -> float | None:
    """Value of the primary metric."""
    value: float | None = task.primary["value"]
    return value


def _by_table(run: Run) -> tuple[str, bool, str, int, str]:
    """Data, the official protocol before others, runs of many tasks first."""
    return run.data, run.protocol != OFFICIAL, run.protocol, -len(run.tasks), run.name


def _key(task: TaskRun) -> tuple[str, ...]:
    judge = task.result.get("judge") or {}
    return str(task.hashes.get("data")), str(task.result["version"]), *(f"{k} {v}" for k, v in sorted(judge.items()))


def _fits(board: Board, run: Run, keys: dict[str, tuple[str, ...]]) -> bool:
    if run.protocol != board.protocol:
        return False
    shared = keys.keys() & board.hashes.keys()
    return all(keys[name] == board.hashes[name] for name in shared) and (bool(shared) or board.data == run.data)


def _entry(run: Run) -> Entry:
    counts = {name: sum(task.result["counts"].get(name, 0) for task in run.tasks.values()) for name in UNANSWERED}
    flags = [f"limit {run.limit}"] if run.limit is not None else []
    flags += ["a part"] if run.of_part else []
    flags += [f"{count} {name}" for name, count in counts.items() if count]
    flags += [f"asked as {run.asked}"] if run.asked else []
    standing = Standing.PARTIAL if flags else Standing.FULL
    return Entry(run, standing if run.sees_images else Standing.FLOOR, tuple(flags))


def _rank(board: Board, sort: str | None) -> None:
    """Give the ranked entries their places, and put all in order."""
    board.sort = sort if sort in board.hashes else board.tasks[0] if len(board.hashes) == 1 else None
    values = {task: _scores(board.ranked, task) for task in board.tasks}
    order = list(Standing)
    ranks = {id(entry): _order(entry, values, board.sort) for entry in board.entries}
    board.entries.sort(key=lambda entry: (order.index(entry.standing), ranks[id(entry)], entry.run.name))
    board.entries = [_placed(entry, values) if entry.standing is Standing.FULL else entry for entry in board.entries]


def _placed(entry: Entry, values: Mapping[str, Sequence[float]]) -> Entry:
    places = {}
    for name, task in entry.run.tasks.items():
        value = score(task)
        if value is not None:
            higher = {other for other in values[name] if other > value}
            places[name] = Place(_position(value, values[name]), second=len(higher) == 1)
    return replace(entry, places=places)


def _scores(entries: Sequence[Entry], task: str) -> list[float]:
    values = [score(entry.run.tasks[task]) for entry in entries if task in entry.run.tasks]
    return [value for value in values if value is not None]


def _order(entry: Entry, values: Mapping[str, Sequence[float]], sort: str | None) -> float:
    """What orders the rows: minus the score in the task `sort`, else the mean rank over the run's tasks.

    CIDEr and accuracy have no common mean. Runs without a score come last.
    """
    scores = {name: score(task) for name, task in entry.run.tasks.items() if sort in (None, name)}
    known = {name: value for name, value in scores.items() if value is not None}
    if not known:
        return math.inf
    return -known[sort] if sort else fmean(_position(value, values[name]) for name, value in known.items())


def _position(value: float, values: Sequence[float]) -> int:
    return 1 + sum(other > value for other in values)
