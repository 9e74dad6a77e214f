"""The numbers of a training run's journal as curves over its steps, or over the hours that it took."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sqllava.errors import SqLlavaError
from sqllava.training.journal import numbers, read_journal

XAxis = Literal["step", "hours"]

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""x and y; NaN where a line is broken."""


@dataclass(frozen=True)
class Run:
    """A journal, laid out on one axis."""

    name: str
    logged: list[tuple[str, float, dict[str, float]]]
    """Stage, place on the axis, and numbers of each logged step."""
    evaluated: list[tuple[str, float, dict[str, float]]]
    ends: dict[str, float]
    """Where each stage ends, in order."""

    def curves(self, wanted: Callable[[str], bool], *, evaluated: bool = False) -> dict[str, Curve]:
        """All numbers whose path is `wanted`, by path, of the logged steps or of the evaluations; a gap parts one
        stage from the next."""
        found: dict[str, list[tuple[str, float, float]]] = {}
        for stage, x, values in self.evaluated if evaluated else self.logged:
            for key in filter(wanted, values):
                found.setdefault(key, []).append((stage, x, values[key]))
        return {key: _gapped(points) for key, points in found.items()}


def _gapped(points: list[tuple[str, float, float]]) -> Curve:
    x, y = [], []
    for i, (stage, place, value) in enumerate(points):
        if i and points[i - 1][0] != stage:
            x.append(place)
            y.append(math.nan)
        x.append(place)
        y.append(value)
    return np.array(x), np.array(y)


def read_run(path: Path, name: str, x: XAxis = "step") -> Run:
    """The run in a folder (or its train.jsonl itself). Raises SqLlavaError if there is none, or a line is malformed."""
    journal = path / "train.jsonl" if path.is_dir() else path
    if not journal.is_file():
        raise SqLlavaError(f"{path}: no train.jsonl; expected the output folder of `sqllava train`")
    lines = read_journal(journal)
    offsets, ends = _layout([line for line in lines if "event" not in line], x)
    logged, evaluated = [], []
    for line in lines:
        if line["stage"] not in offsets:
            continue
        at = _place(line, x, offsets)
        if "event" not in line:
            logged.append((line["stage"], at, _told(line)))
        elif line["event"] == "evaluation" and isinstance(line.get("tasks"), Mapping):
            evaluated.append((line["stage"], at, numbers(line["tasks"])))
    if not logged:
        raise SqLlavaError(f"{journal}: no step has been logged yet; there is nothing to draw")
    return Run(name, logged, evaluated, ends)


def _place(line: Mapping[str, Any], x: XAxis, offsets: Mapping[str, float]) -> float:
    """Where a line of the journal is on the axis, given the global step that each stage starts from."""
    if x == "hours":
        return float(line.get("seconds", math.nan)) / 3600
    return float(offsets[line["stage"]] + line["step"])


def _layout(logged: list[dict[str, Any]], x: XAxis) -> tuple[dict[str, float], dict[str, float]]:
    """By stage, in order: the global step that it starts from, and where it ends on the axis."""
    offsets: dict[str, float] = {}
    ends: dict[str, float] = {}
    steps = 0.0
    for line in logged:
        if line["stage"] not in offsets:
            offsets[line["stage"]] = steps
            steps += line.get("steps", line["step"])
        ends[line["stage"]] = _place(line, x, offsets)
    return offsets, ends


def _told(line: Mapping[str, Any]) -> dict[str, float]:
    """The line's numbers; without the total loss where its terms are there, which say more."""
    values = numbers(line)
    if any(key.startswith("loss_") for key in values):
        values.pop("loss", None)
    return values


def smoothed(curve: Curve, width: int) -> Curve:
    """Means over `width` neighbouring points, fewer at the ends; never across a gap."""
    x, y = curve
    result = y.copy()
    bounds = [-1, *np.flatnonzero(np.isnan(y)), len(y)]
    for start, end in zip((b + 1 for b in bounds[:-1]), bounds[1:], strict=True):
        sums = np.concatenate([[0.0], np.cumsum(y[start:end])])
        at = np.arange(end - start)
        low, high = np.maximum(at - (width - 1) // 2, 0), np.minimum(at + width // 2 + 1, end - start)
        result[start:end] = (sums[high] - sums[low]) / (high - low)
    return x, result
