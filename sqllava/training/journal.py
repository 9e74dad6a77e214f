"""What a training run leaves behind: one JSON object a line for every logged step and every event.

A run that was stopped and resumed has the journal of one that never stopped: lines after the checkpoint it resumes
from are dropped, and its clock goes on where the last kept line stood.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from sqllava.atomic import write_text
from sqllava.errors import SqLlavaError
from sqllava.training.screen import Screen


class JournalError(SqLlavaError):
    """A journal that is missing, malformed, of another run, or cannot be written."""


class Journal:
    """Context manager that writes `path`, shows progress, and feeds experiment trackers.

    `stages` are the names and optimizer steps of the run's stages, in order. With `resume_at` (stage, step) the run
    continues after that step; without, it starts anew and an old file is replaced. Given an `accelerator`, only its
    main process writes and shows anything, and its trackers get every number at the run's global step. `quiet` shows
    nothing. Raises JournalError if the file cannot be written (on entering and with each line), or is not of this run.
    """

    def __init__(
        self,
        path: Path,
        stages: Sequence[tuple[str, int]],
        *,
        resume_at: tuple[str, int] | None = None,
        accelerator: Any = None,
        quiet: bool | None = None,
    ) -> None:
        self.path = path
        self._stages = dict(stages)
        self._order = {name: index for index, name in enumerate(self._stages)}
        self._resume_at = resume_at
        self._accelerator = accelerator
        self._writes = accelerator is None or accelerator.is_main_process
        self._screen = Screen(stages, quiet=bool(quiet) or not self._writes)
        self._stream: BinaryIO | None = None
        self._started = 0.0

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        if self._writes:
            before = self._continued(*self._resume_at) if self._resume_at else []
            self._started -= before[-1].get("seconds", 0.0) if before else 0.0
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                if self._resume_at:
                    write_text(self.path, "".join(map(_encoded, before)))
                # Unbuffered: a line is with the operating system, or has failed, when `log` returns.
                self._stream = self.path.open("ab" if self._resume_at else "wb", buffering=0)
            except OSError as error:
                raise self._unwritable(error) from error
        self._screen.start(self._resume_at)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._screen.stop()
        if self._stream is not None:
            self._stream.close()

    def log(self, entry: Mapping[str, Any]) -> None:
        """Write the state after a step: `stage`, `step` (1 after the stage's first), `steps` of the stage, `loss`, and
        whatever else was measured; `seconds` since the run began are added. Numbers that are not finite become null.
        """
        line = self._write(entry)
        self._screen.step(line)
        self._track(line["stage"], line["step"], numbers(line))

    def event(self, kind: str, *, stage: str, step: int, **fields: Any) -> None:
        """Write that something happened after `step` steps of `stage`: an evaluation (`tasks`: a score each), a
        checkpoint saved, samples skipped."""
        line = self._write({"event": kind, "stage": stage, "step": step, **fields})
        self._screen.event(line)
        if kind == "evaluation":
            self._track(stage, step, {f"evaluation/{name}": value for name, value in numbers(fields).items()})

    def _write(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        seconds = round(time.monotonic() - self._started, 1)
        line: dict[str, Any] = _finite({**entry, "seconds": seconds})
        if line["stage"] not in self._stages:
            raise ValueError(f"stage {line['stage']!r} is not one of {list(self._stages)}")
        if self._stream is not None:
            left = _encoded(line).encode()
            try:
                while left:
                    left = left[self._stream.write(left) :]
            except OSError as error:
                raise self._unwritable(error) from error
        return line

    def _track(self, stage: str, step: int, values: dict[str, float]) -> None:
        """Hand `values` to the trackers. On every process: Accelerate knows which of them report."""
        if self._accelerator is not None and self._accelerator.trackers:
            self._accelerator.log(values, step=self._offset(stage) + step)

    def _offset(self, stage: str) -> int:
        """Steps of the stages before this one."""
        return sum(steps for name, steps in self._stages.items() if self._order[name] < self._order[stage])

    def _continued(self, stage: str, step: int) -> list[dict[str, Any]]:
        """The lines up to that step. Raises JournalError if there is no such file or it is another run's."""
        lines = read_journal(self.path)
        foreign = next((line["stage"] for line in lines if line["stage"] not in self._stages), None)
        if foreign is not None:
            raise JournalError(
                f"{self.path}: has a stage {foreign!r}, this recipe's are {', '.join(self._stages)}; "
                "resume with the recipe that the run began with, or choose another output folder"
            )
        last = (self._order[stage], step)
        return [line for line in lines if (self._order[line["stage"]], line["step"]) <= last]

    def _unwritable(self, error: OSError) -> JournalError:
        return JournalError(f"{self.path}: cannot be written: {error.strerror}; free space or choose another folder")


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The lines of a journal, each with at least `stage` and `step`; a torn last line is left out.

    Raises JournalError that names the line if one is malformed, or the file if it cannot be read.
    """
    try:
        *whole, rest = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JournalError(f"{path}: cannot be read: {error.strerror}") from error
    lines = [_decoded(text, f"{path}, line {number}") for number, text in enumerate(whole, 1)]
    if rest:
        with suppress(JournalError):  # The process died while it wrote this line, or is still writing.
            lines.append(_decoded(rest, str(path)))
    return lines


def numbers(line: Mapping[str, Any]) -> dict[str, float]:
    """The measured numbers of a line, nested ones by path: ``{"lr": {"projector": 1e-3}}`` -> ``lr/projector``."""
    return {key: value for key, value in _flat(line) if key not in ("step", "steps")}


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, entry in value.items():
        if isinstance(entry, Mapping):
            yield from _flat(entry, f"{prefix}{key}/")
        elif isinstance(entry, int | float) and not isinstance(entry, bool):
            yield prefix + key, entry


def _finite(value: Any) -> Any:
    """`value` with null for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _encoded(line: Mapping[str, Any]) -> str:
    return json.dumps(line, allow_nan=False) + "\n"


def _decoded(text: bytes, where: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise JournalError(f"{where}: not valid JSON: {error}; remove the line or start the run anew") from error
    if not isinstance(line, dict) or not isinstance(line.get("stage"), str) or not isinstance(line.get("step"), int):
        raise JournalError(f"{where}: expected an object with stage (text) and step (whole number)")
    return line
