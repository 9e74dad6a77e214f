"""Which runs are compared with which baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqeval.comparability import differing
from sqeval.errors import UserError
from sqeval.runs import Run, find_runs, is_run, load_run


@dataclass(frozen=True, slots=True)
class Matchup:
    """A baseline and the runs to be compared with it."""

    baseline: Run
    candidates: tuple[Run, ...]
    explicit: bool
    """Every run was named by its path: then each must be comparable."""
    notes: tuple[str, ...] = field(default=())
    """Runs that were left out, and why."""


def match(paths: Sequence[Path], baseline: str | None = None) -> Matchup:
    """Find the baseline and the candidates among run folders and results folders.

    The baseline is the one named; else, of several run folders, the first; else the newest stored baseline that sees
    images; else the oldest run that does. Floors (majority, random, blind) take part only when they are named.
    Raises UserError, and IncompleteError for a run that was named and has not finished.
    """
    named = [load_run(path) for path in paths if is_run(path)]
    folders = [path for path in paths if not is_run(path)]
    found = [find_runs(path) for path in folders]
    notes = [problem for each in found for problem in each.problems]
    scanned = [run for each in found for run in each.runs]
    if not named and not scanned:
        raise UserError("; ".join([f"{', '.join(map(str, paths))}: there is no finished run here", *notes]))
    if baseline is None and not folders and len(named) > 1:
        return Matchup(named[0], tuple(named[1:]), explicit=True)
    beside = [] if folders else _stored_beside(named)
    chosen = _named(baseline, [*named, *scanned, *beside]) if baseline else _chosen([*scanned, *beside], named)
    candidates = [run for run in named if not _same(run, chosen)]
    for run in scanned:
        if run.is_baseline or _same(run, chosen) or any(_same(run, other) for other in named):
            continue
        if run.sees_images:
            candidates.append(run)
        else:
            notes.append(f"{run.name} is a floor (it never sees the image); give its path to compare it")
    if not candidates:
        where = ", ".join(map(str, paths))
        raise UserError("; ".join([f"{where}: there is no run to compare with the baseline {chosen.name}", *notes]))
    return Matchup(chosen, tuple(candidates), explicit=not folders, notes=tuple(notes))


def newest_comparable(run: Run) -> Run | None:
    """The newest other run beside `run` that did the same thing on at least one task and sees images as `run` does."""
    if not run.path.parent.is_dir():
        return None
    others = [
        other
        for other in find_runs(run.path.parent).runs
        if not _same(other, run)
        and other.started <= run.started
        and other.sees_images == run.sees_images
        and any(not differing(task, run.tasks[name]) for name, task in other.tasks.items() if name in run.tasks)
    ]
    return others[-1] if others else None


def _named(name: str, runs: Sequence[Run]) -> Run:
    """The run of this name, or the run folder at this path; a stored baseline before a run of the same name."""
    if is_run(Path(name)):
        return load_run(Path(name))
    found = sorted((run for run in runs if name in (run.name, run.path.name)), key=lambda run: not run.is_baseline)
    if not found:
        known = ", ".join(sorted({run.name for run in runs})) or "none"
        raise UserError(f"--baseline {name}: no such run; there are: {known}")
    return found[0]


def _chosen(scanned: Sequence[Run], named: Sequence[Run]) -> Run:
    stored = [run for run in scanned if run.is_baseline and run.sees_images]
    if stored:
        return stored[-1]
    seeing = [run for run in (*scanned, *named) if run.sees_images]
    if len(seeing) < 1 or (not scanned and len(named) < 2):
        raise UserError(
            "there is no baseline: name a second run or --baseline, or store one with `sqeval baseline RUN`"
        )
    return min(seeing, key=lambda run: run.started)


def _stored_beside(runs: Sequence[Run]) -> list[Run]:
    """Baselines of the results folders that hold these runs, the oldest first."""
    folders = {run.path.resolve().parent for run in runs}
    found = [run for folder in sorted(folders) for run in find_runs(folder).runs if run.is_baseline]
    return sorted(found, key=lambda run: run.started)


def _same(one: Run, other: Run) -> bool:
    return one.path.resolve() == other.path.resolve()
