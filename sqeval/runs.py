"""Finished runs on disk, read for comparison and for the leaderboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqeval.errors import IncompleteError, SqevalError, UserError
from sqeval.protocol import ASKED, protocol_of
from sqeval.records import Record
from sqeval.report.shown import Shown
from sqeval.rundir import METRICS, RUN, SAMPLES, read_json, read_records
from sqeval.shapes import require_metrics, require_run
from sqeval.stored import STORED, read_stored

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

REPAIR = "restore the file, or repeat the run"
BASELINES = "baselines"
"""Folder within a results folder that holds stored baselines."""


@dataclass(frozen=True)
class TaskRun:
    """One complete task of a run."""

    name: str
    path: Path
    result: Mapping[str, Any]
    """metrics.json."""

    @property
    def primary(self) -> Mapping[str, Any]:
        """The primary metric: ``value``, ``stderr``, ``ci95``, ``n``, ``clusters``."""
        found: Mapping[str, Any] = self.result["metrics"][self.result["primary"]]
        return found

    @property
    def protocol(self) -> str:
        """Whose evaluation the scores reproduce."""
        return protocol_of(self.result)

    @property
    def hashes(self) -> Mapping[str, str]:
        """SHA-256 of data, prompts, scorer, checkpoint."""
        found: Mapping[str, str] = self.result["hashes"]
        return found

    @cached_property
    def records(self) -> Sequence[Record]:
        """The scored samples. Raises DataError for a broken file and IncompleteError for one that falls short."""
        stored = self.path / SAMPLES
        if stored.is_file():
            records, torn = read_records(stored)
        else:
            stored, torn = self.path / STORED, False
            records = read_stored(stored)
        expected = self.result["counts"]["n"]
        if torn or len(records) != expected:
            raise IncompleteError(f"{stored} holds {len(records)} of {expected} samples; restore the run, or repeat it")
        return records

    @property
    def metrics(self) -> pd.DataFrame:
        """The task's rows of `Run.metrics`."""
        from sqeval import frames

        return frames.metrics({self.name: self.result})

    @property
    def samples(self) -> pd.DataFrame:
        """The task's rows of `Run.samples`. Raises as `records` does."""
        from sqeval import frames

        return frames.samples({self.name: self.records})


@dataclass(frozen=True)
class Run(Shown):
    """A complete run: a run folder, or a baseline stored from one. Prints, and shows in a notebook, as its table."""

    path: Path
    info: Mapping[str, Any]
    """run.json."""
    tasks: Mapping[str, TaskRun]

    @property
    def name(self) -> str:
        return str(self.info["name"])

    @property
    def identity(self) -> Mapping[str, Any]:
        """Who answered: the fields of `sqeval.model.Identity`."""
        found: Mapping[str, Any] = self.info["identity"]
        return found

    @property
    def sees_images(self) -> bool:
        """False for floors (majority, random, blind)."""
        return bool(self.identity.get("sees_images", True))

    @property
    def is_baseline(self) -> bool:
        """Stored under a ``baselines`` folder."""
        return self.path.resolve().parent.name == BASELINES

    @property
    def limit(self) -> int | None:
        """Number of questions a task that ``--limit`` asked for; None if all were asked."""
        found: int | None = self.info.get("config", {}).get("limit")
        return found

    @property
    def of_part(self) -> bool:
        """Whether samples without a prediction were left out."""
        return bool(self.info.get("config", {}).get("model_args", {}).get("allow_part") == "true")

    @property
    def protocol(self) -> str:
        """Whose evaluation it reproduces."""
        return protocol_of(self.info.get("config", {}))

    @property
    def asked(self) -> str | None:
        """The protocol by which the responses were asked for; None: by that of the run."""
        found: str | None = self.identity.get("details", {}).get(ASKED)
        return found

    @property
    def data(self) -> str:
        """The data root as it was typed."""
        return str(self.info.get("config", {}).get("data", "unknown"))

    @property
    def started(self) -> str:
        """When the run began, ISO 8601; sorts by time. Empty if run.json does not say."""
        return str(self.info.get("timing", {}).get("started", ""))

    @property
    def metrics(self) -> pd.DataFrame:
        """A row a metric: task, metric, value, stderr, low and high of its 95 % interval, n, clusters.

        Each task's primary metric comes first. Values are in 0..1 (CIDEr: 0..10).
        """
        from sqeval import frames

        return frames.metrics({name: task.result for name, task in self.tasks.items()})

    @property
    def samples(self) -> pd.DataFrame:
        """A row a sample of every task; `tasks["gqa"].samples` is one task's.

        Columns are those of samples.jsonl, each score as ``score:NAME`` and each tag as ``tag:NAME``. A stored baseline
        has no responses. Raises DataError for a broken file and IncompleteError for one that falls short.
        """
        from sqeval import frames

        return frames.samples({name: task.records for name, task in self.tasks.items()})

    def __rich__(self) -> RenderableType:
        from sqeval.report.summary import summary_table

        return summary_table({name: task.result for name, task in self.tasks.items()})

    def __repr__(self) -> str:
        from sqeval.report.summary import in_a_line

        return f"<Run {in_a_line(self.name, {name: task.result for name, task in self.tasks.items()})}>"


@dataclass
class Found:
    """What a results folder holds."""

    runs: list[Run] = field(default_factory=list)
    """Complete runs, the oldest first."""
    problems: list[str] = field(default_factory=list)
    """Runs that cannot be used, each in one sentence."""

    def add(self, path: Path) -> None:
        """Load one run folder; a run that cannot be used becomes a problem."""
        try:
            self.runs.append(load_run(path))
        except SqevalError as error:
            self.problems.append(str(error))


def is_run(path: Path) -> bool:
    """Whether `path` is a run folder."""
    return (path / RUN).is_file()


def load_run(path: Path) -> Run:
    """The run in folder `path`; samples are read when they are asked for.

    Raises UserError if there is none or its files are broken, IncompleteError if it has not finished.
    """
    info = read_json(path / RUN)
    if info is None:
        raise UserError(
            f"{path} is not a run folder: it has no {RUN}; `sqeval run` makes one, under results/ unless told otherwise"
        )
    require_run(info, path / RUN)
    if info["status"] != "complete":
        raise IncompleteError(f"{path} has not finished; the command that began it continues where it stopped")
    return Run(path, info, {name: _task(path / name, name) for name in info["tasks"]})


def find_runs(results: Path) -> Found:
    """All runs in a results folder and its baselines; those that cannot be used are reported, not raised.

    Raises UserError if there is no such folder.
    """
    if not results.is_dir():
        raise UserError(f"{results}: no such folder (give a results folder or a run folder)")
    found = Found()
    for path in sorted([*results.glob(f"*/{RUN}"), *results.glob(f"{BASELINES}/*/{RUN}")]):
        found.add(path.parent)
    found.runs.sort(key=lambda run: (run.started, run.path))
    return found


def _task(path: Path, name: str) -> TaskRun:
    if path.name != name or name.startswith("."):
        raise UserError(f"{path.parent / RUN}: tasks: {name!r} is not the name of a task; {REPAIR}")
    result = read_json(path / METRICS)
    if result is None:
        raise IncompleteError(f"{path / METRICS} is missing, though the run is marked complete; repeat the run")
    require_metrics(result, path / METRICS)
    return TaskRun(name, path, result)
