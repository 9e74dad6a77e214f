"""The noise floor: how much two runs of one checkpoint differ because of batch size, number format or hardware."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqeval.circumstances import same_weights
from sqeval.errors import DataError, IncompleteError
from sqeval.report.files import write_text
from sqeval.rundir import read_json, to_json
from sqeval.runs import Run

if TYPE_CHECKING:
    from sqeval.comparison import RunComparison

FLOOR = "aa.json"
"""In the folder of a stored baseline."""


@dataclass(frozen=True, slots=True)
class Floor:
    """What one task of two runs of one checkpoint differed by."""

    n: int
    """Samples compared."""
    flipped: float | None
    """Share of the samples whose score changed, 0..1; None if no metric has a score a sample."""
    difference: float
    """Of the primary metric, in its own units."""
    stderr: float | None


def require_same_weights(baseline: Run, candidate: Run) -> None:
    """Raise IncompleteError unless both runs are of one checkpoint: anything else is no noise."""
    if not same_weights(baseline, candidate):
        raise IncompleteError(
            f"--aa wants two runs of one checkpoint; {baseline.name} and {candidate.name} are of different ones"
        )


def measured(comparison: RunComparison) -> dict[str, Floor]:
    """The floor of each task that two runs of one checkpoint share."""
    found = {}
    for task in comparison.tasks:
        if task.difference is not None:
            flipped = None if task.flips is None else task.flips.share
            found[task.task] = Floor(task.difference.n, flipped, task.difference.value, task.difference.stderr)
    return found


def keep(comparison: RunComparison) -> str:
    """Add what two runs of one checkpoint differ by to their baseline, if that is a stored one. Says what was done."""
    if not comparison.baseline.is_baseline:
        return (
            f"The noise floor was not kept: {comparison.baseline.name} is no stored baseline (`sqeval baseline RUN`)."
        )
    path = comparison.baseline.path / FLOOR
    entry = {
        "run": comparison.candidate.name,
        "started": comparison.candidate.started,
        "changed": [asdict(change) for change in comparison.changes],
        "tasks": {name: asdict(floor) for name, floor in measured(comparison).items()},
    }
    new = (entry["run"], entry["started"])
    earlier = [other for other in _measurements(path) if (other.get("run"), other.get("started")) != new]
    write_text(path, to_json({"schema": 1, "measurements": [*earlier, entry]}))
    return f"The noise floor is kept in {path}."


def floors(baseline: Run) -> Mapping[str, Floor]:
    """The noisiest stored measurement of each task; empty if there is none. Raises DataError for a damaged file."""
    path = baseline.path / FLOOR
    found: dict[str, Floor] = {}
    for name, floor in _floors(path, _measurements(path)):
        if name not in found or _noise(floor) > _noise(found[name]):
            found[name] = floor
    return found


def _noise(floor: Floor) -> tuple[float, float]:
    return floor.flipped or 0.0, abs(floor.difference)


def _floors(path: Path, entries: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Floor]]:
    try:
        return [(name, Floor(**values)) for entry in entries for name, values in entry["tasks"].items()]
    except (KeyError, TypeError, AttributeError) as error:
        raise _broken(path, error) from None


def _measurements(path: Path) -> list[dict[str, Any]]:
    value = read_json(path) or {"measurements": []}
    entries = value.get("measurements")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _broken(path, "no list of measurements")
    return entries


def _broken(path: Path, why: object) -> DataError:
    return DataError(f"expected measurements of `sqeval compare --aa` ({why}); remove the file", file=path)
