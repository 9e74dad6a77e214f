"""All runs of a results folder, in tables of runs that answered the same data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean

from sqeval.runs import Run, TaskRun


class Standing(StrEnum):
    """Whether a run can be ranked."""

    FULL = "full"
    PARTIAL = "partial"
    """Capped by ``--limit``, or with errored samples: shown, not ranked."""
    FLOOR = "floor"
    """Never sees the image: what a score has to beat."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row: one run."""

    run: Run
    standing: Standing
    flags: tuple[str, ...]
    """Why it is not ranked, in words."""
    best: frozenset[str] = frozenset()
    """Tasks in which no ranked run scores higher."""


@dataclass(slots=True)
class Board:
    """A table: runs about the same data."""

    data: str
    """The data root as it was typed."""
    hashes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Data hash, version and judge of each task."""
    entries: list[Entry] = field(default_factory=list)
    """Ranked ones first, the best first; then partial ones, then floors."""

    @property
    def tasks(self) -> list[str]:
        """Columns, by name."""
        return sorted(self.hashes)


def boards(runs: Iterable[Run]) -> list[Board]:
    """Group runs by data and rank them.

    Two runs share a table if every task that both did read the same files in the same version, and was scored by the
    same judge if it needs one. Runs without a task
    in common share one if their data root has the same name.
    """
    found: list[Board] = []
    for run in sorted(runs, key=lambda run: (run.data, -len(run.tasks), run.name)):
        keys = {name: _key(task) for name, task in run.tasks.items()}
        board = next((board for board in found if _fits(board, run, keys)), None)
        if board is None:
            board = Board(run.data)
            found.append(board)
        board.hashes.update(keys)
        board.entries.append(_entry(run))
    return [_ranked(board) for board in found]


def score(task: TaskRun) -> float | None:
    """Value of the primary metric."""
    value: float | None = task.primary["value"]
    return value


def _key(task: TaskRun) -> tuple[str, ...]:
    judge = task.result.get("judge") or {}
    return str(task.hashes.get("data")), str(task.result["version"]), *(f"{k} {v}" for k, v in sorted(judge.items()))


def _fits(board: Board, run: Run, keys: dict[str, tuple[str, ...]]) -> bool:
    shared = keys.keys() & board.hashes.keys()
    return all(keys[name] == board.hashes[name] for name in shared) and (bool(shared) or board.data == run.data)


def _entry(run: Run) -> Entry:
    errored = sum(task.result["counts"].get("errored", 0) for task in run.tasks.values())
    flags = [f"limit {run.limit}"] if run.limit is not None else []
    flags += [f"{errored} errored"] if errored else []
    standing = Standing.PARTIAL if flags else Standing.FULL
    return Entry(run, standing if run.sees_images else Standing.FLOOR, tuple(flags))


def _ranked(board: Board) -> Board:
    """The board with its entries in order and the best scores marked."""
    full = [entry for entry in board.entries if entry.standing is Standing.FULL]
    top = {task: max(_scores(full, task), default=None) for task in board.tasks}
    ranks = {id(entry): _mean_rank(entry, full) for entry in board.entries}
    order = list(Standing)
    board.entries.sort(key=lambda entry: (order.index(entry.standing), ranks[id(entry)], entry.run.name))
    board.entries = [_marked(entry, top) if entry.standing is Standing.FULL else entry for entry in board.entries]
    return board


def _marked(entry: Entry, top: dict[str, float | None]) -> Entry:
    best = {name for name, task in entry.run.tasks.items() if score(task) is not None and score(task) == top[name]}
    return Entry(entry.run, entry.standing, entry.flags, frozenset(best))


def _scores(entries: Sequence[Entry], task: str) -> list[float]:
    values = [score(entry.run.tasks[task]) for entry in entries if task in entry.run.tasks]
    return [value for value in values if value is not None]


def _mean_rank(entry: Entry, full: Sequence[Entry]) -> float:
    """Rank among the ranked runs, averaged over the run's tasks; CIDEr and accuracy have no common mean."""
    values = [(name, score(task)) for name, task in entry.run.tasks.items()]
    ranks = [sum(other > value for other in _scores(full, name)) for name, value in values if value is not None]
    return fmean(ranks) if ranks else float(len(full))
