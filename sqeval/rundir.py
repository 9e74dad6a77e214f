"""The run folder: what is on disk while a run goes on, after it died, and when it is complete.

    <folder>/run.json               first thing written, status "running"; replaced at the end, status "complete"
    <folder>/<task>/samples.jsonl   a line a sample, appended as answers arrive; at the end in the data's order
    <folder>/<task>/metrics.json    last of a task: its existence means that the task is complete
    <folder>/<task>/submission.*    for the benchmark's evaluation server, if it has one

Every file but the growing samples.jsonl is replaced atomically, so that a process killed at any moment leaves a
folder that the same command can continue.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqeval import atomic
from sqeval.errors import DataError, UserError
from sqeval.lock import locked
from sqeval.records import Record, to_lines
from sqeval.shapes import require_metrics, require_run

RUN, SAMPLES, METRICS, SUBMISSION = "run.json", "samples.jsonl", "metrics.json", "submission"
_ODD = re.compile(r"[^\n -~]")
_BATCH = 1_000
"""Records that are written at a time."""
SYNC_SECONDS = 2.0
"""How often appended lines are forced to the disk; a killed process loses none, a power cut this much."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run folder; `opened` makes one that this process alone writes to."""

    path: Path

    def read(self) -> dict[str, Any] | None:
        """run.json, or None if there is none yet. Raises DataError for any other content."""
        run = read_json(self.path / RUN)
        if run is not None:
            require_run(run, self.path / RUN)
        return run

    def write(self, run: Mapping[str, Any]) -> None:
        """Replace run.json."""
        with _explained(self.path):
            atomic.write_text(self.path / RUN, to_json(run))

    def task(self, name: str) -> TaskFolder:
        """The folder of one task; it need not exist."""
        return TaskFolder(self.path / name)

    def clear(self) -> None:
        """Remove the tasks and the report, and nothing else that may lie there; run.json waits to be replaced."""
        with _explained(self.path):
            for folder in sorted(self.path.iterdir()):
                if (folder / SAMPLES).is_file() or (folder / METRICS).is_file():
                    self.task(folder.name).clear()
            (self.path / "report.html").unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class TaskFolder:
    """The files of one task in a run."""

    path: Path

    def records(self) -> tuple[list[Record], bool]:
        """The records in samples.jsonl, and whether the file ends in a torn line, which is left out."""
        return read_records(self.path / SAMPLES)

    def metrics(self) -> dict[str, Any] | None:
        """metrics.json, or None while the task is not complete. Raises DataError for any other content."""
        metrics = read_json(self.path / METRICS)
        if metrics is not None:
            require_metrics(metrics, self.path / METRICS)
        return metrics

    def reopen(self) -> None:
        """Make the task incomplete: what stands in metrics.json and in the submission is no longer true."""
        with _explained(self.path):
            self.path.mkdir(exist_ok=True)
            for stale in (self.path / METRICS, *self.path.glob(f"{SUBMISSION}.*"), *self.path.glob(".*.tmp")):
                stale.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the task's files, and the folder if nothing else is in it."""
        if self.path.is_dir():
            self.reopen()
            (self.path / SAMPLES).unlink(missing_ok=True)
            if not any(self.path.iterdir()):
                self.path.rmdir()

    def replace(self, records: Iterable[Record]) -> None:
        """Replace samples.jsonl."""
        with _explained(self.path):
            rest = iter(records)
            batches = iter(lambda: list(islice(rest, _BATCH)), [])
            atomic.write_chunks(self.path / SAMPLES, map(to_lines, batches))

    @contextmanager
    def appending(self) -> Iterator[Appender]:
        """Append records to samples.jsonl."""
        appender = Appender(self.path / SAMPLES)
        try:
            yield appender
        finally:
            appender.close()

    def submit(self, submissions: Mapping[str, bytes]) -> None:
        """Write the submissions, content by suffix."""
        for suffix, content in submissions.items():
            with _explained(self.path):
                atomic.write_bytes(self.path / f"{SUBMISSION}{suffix}", content)

    def finish(self, metrics: Mapping[str, Any], submissions: Mapping[str, bytes]) -> None:
        """Write the submissions, then metrics.json."""
        self.submit(submissions)
        with _explained(self.path):
            atomic.write_text(self.path / METRICS, to_json(metrics))


class Appender:
    """The growing end of a file of lines: each is with the kernel when `append` returns."""

    def __init__(self, path: Path) -> None:
        with _explained(path):
            self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        self._path, self._synced = path, time.monotonic()

    def append(self, record: Record) -> None:
        """Write one record. Raises UserError if that fails; a part of its line may then be on disk."""
        self.write(to_lines([record]))

    def write(self, line: bytes) -> None:
        """Write one line, its end included; as `append`."""
        rest = memoryview(line)
        with _explained(self._path):
            while rest:
                rest = rest[os.write(self._handle, rest) :]
            if time.monotonic() - self._synced > SYNC_SECONDS:
                os.fsync(self._handle)
                self._synced = time.monotonic()

    def close(self) -> None:
        """Force what was appended to the disk, and close the file."""
        try:
            with _explained(self._path):
                os.fsync(self._handle)
        finally:
            os.close(self._handle)


@contextmanager
def opened(path: Path) -> Iterator[RunFolder]:
    """Create `path` if need be and hold its lock; a folder in which nothing was written is removed again.

    Raises UserError if another process holds it, if it cannot be written, or if it holds something else than a run.
    """
    with ExitStack() as stack:
        stack.callback(_remove_if_empty, path)
        with _explained(path):
            path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(path))
            atomic.drop_leftovers(path / RUN)
            foreign = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
        if foreign and RUN not in foreign:
            raise UserError(f"{path} is not a run folder (it holds {foreign[0]} and no {RUN}); give another --name")
        yield RunFolder(path)


def read_records(path: Path) -> tuple[list[Record], bool]:
    """The records of a samples.jsonl, and whether its last line is torn; ([], False) if there is no such file.

    Only a last line without its newline can be the work of a killed process. Raises DataError for any other bad line.
    """
    if not path.is_file():
        return [], False
    *lines, rest = path.read_bytes().split(b"\n")
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(Record.from_json(line))
        except ValueError as error:
            hint = "the file was changed from outside; restore it, or start over with --fresh"
            raise DataError(f"expected a sample record ({error}); {hint}", file=path, line=number) from None
    return records, bool(rest)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file, or None if there is no such file. Raises DataError."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"is not JSON ({error}); restore it, or start over with --fresh", file=path) from None
    if not isinstance(value, dict):
        raise DataError("expected an object", file=path)
    return value


def to_json(value: Mapping[str, Any]) -> str:
    """JSON for people and programs: what no terminal prints is escaped. NaN, which JSON lacks, raises ValueError."""
    text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    return _ODD.sub(lambda odd: odd[0] if odd[0].isprintable() else json.dumps(odd[0])[1:-1], text)


def _remove_if_empty(path: Path) -> None:
    with suppress(OSError):  # not empty, or never made
        path.rmdir()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    with atomic.explained(path, "what was written before is kept, and the same command continues from there"):
        yield
