"""What a training run shows: a progress bar a stage on a terminal; elsewhere a line at each tenth of a stage."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

SILENT_EVENTS = ("save",)
"""Too frequent and too uninteresting to be shown."""


class Screen:
    """Shows lines of the journal on stderr. `stages` are names and optimizer steps; `quiet` shows nothing."""

    def __init__(self, stages: Sequence[tuple[str, int]], *, quiet: bool = False) -> None:
        self._stages = dict(stages)
        self._quiet = quiet
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self._first: dict[str, tuple[int, float]] = {}
        """Step and time of each stage's first line in this process: the rate is measured from there."""
        self._tenths: dict[str, int] = {}

    def start(self, resumed_at: tuple[str, int] | None) -> None:
        """Begin to show; stages before `resumed_at` (stage, step) are complete."""
        if self._quiet or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn("{task.description:>16}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
                   TextColumn("{task.fields[measured]}"))  # fmt: skip
        self._bars = Progress(*columns, console=Console(stderr=True))
        done = resumed_at is not None
        for name, steps in self._stages.items():
            completed = steps if done else 0
            if resumed_at is not None and name == resumed_at[0]:
                completed, done = resumed_at[1], False
            self._tasks[name] = self._bars.add_task(name, total=steps, completed=completed, measured="")
        self._bars.start()

    def stop(self) -> None:
        if self._bars is not None:
            self._bars.stop()

    def step(self, line: Mapping[str, Any]) -> None:
        """Show a logged step."""
        if self._quiet:
            return
        stage, step, steps = line["stage"], line["step"], self._stages[line["stage"]]
        measured = measures(line) + self._left(line)
        if self._bars is not None:
            self._bars.update(self._tasks[stage], completed=step, measured=measured)
        elif self._tenths.get(stage) != 10 * step // steps:
            self._tenths[stage] = 10 * step // steps
            print(f"{stage} {step}/{steps}{measured}", file=sys.stderr, flush=True)

    def event(self, line: Mapping[str, Any]) -> None:
        """Show an event, above the bars."""
        if self._quiet or line["event"] in SILENT_EVENTS:
            return
        details = {key: value for key, value in line.items() if key not in ("event", "stage", "step", "seconds")}
        text = f"{line['stage']} {line['step']}: {line['event']}  {_described(details)}".rstrip()
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def _left(self, line: Mapping[str, Any]) -> str:
        """Time to the end of the stage at the rate so far; nothing after its first line."""
        first_step, first_second = self._first.setdefault(line["stage"], (line["step"], line["seconds"]))
        if line["step"] <= first_step:
            return ""
        rate = (line["seconds"] - first_second) / (line["step"] - first_step)
        return f"  {timedelta(seconds=round(rate * (self._stages[line['stage']] - line['step'])))} left"


def measures(line: Mapping[str, Any]) -> str:
    """Loss and speed, where the line has them."""
    parts = []
    if line.get("loss") is not None:
        parts.append(f"  loss {line['loss']:.4g}")
    if line.get("tokens_per_second") is not None:
        parts.append(f"  {line['tokens_per_second']:,.0f} tokens/s")
    if line.get("bad_samples"):
        parts.append(f"  {line['bad_samples']} bad samples")
    return "".join(parts)


def _described(value: Mapping[str, Any]) -> str:
    """``gqa 0.61, pope 0.85``: keys and values, nested ones without their outer key."""
    parts = []
    for key, entry in value.items():
        if isinstance(entry, Mapping):
            parts.append(_described(entry))
        else:
            parts.append(f"{key} {entry:.4g}" if isinstance(entry, float) else f"{key} {entry}")
    return ", ".join(parts)
