"""A comparison as JSON; docs/comparison.md describes every field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqeval.comparison import Rules, RunComparison, TaskComparison
from sqeval.stats.differences import Difference

SCHEMA = 1


def as_json(
    comparisons: Sequence[RunComparison], rules: Rules, left_out: Sequence[str] = (), *, exit_code: int = 0
) -> dict[str, Any]:
    """Everything known, JSON-able; what is not defined is null. Values are in the metrics' own units (0..1)."""
    return {
        "schema": SCHEMA,
        "exit_code": exit_code,
        "rules": asdict(rules),
        "comparisons": [_comparison(comparison) for comparison in comparisons],
        "left_out": list(left_out),
    }


def _comparison(comparison: RunComparison) -> dict[str, Any]:
    runs = {"baseline": comparison.baseline, "candidate": comparison.candidate}
    return {
        **{side: {"name": run.name, "path": str(run.path)} for side, run in runs.items()},
        "tasks": [_task(task) for task in comparison.tasks],
        "means": [asdict(mean) for mean in comparison.means],
        "missing": list(comparison.missing),
        "changes": [asdict(change) for change in comparison.changes],
        "noise_floor": {name: asdict(floor) for name, floor in comparison.floors.items()},
    }


def _task(task: TaskComparison) -> dict[str, Any]:
    return {
        "task": task.task,
        "metric": task.metric,
        "verdict": task.verdict,
        "difference": difference_json(task.difference),
        "p": task.p,
        "reasons": list(task.reasons),
        "gates": list(task.gates),
        "coverage": task.coverage,
        "subset": task.subset and list(task.subset),
        "surprising": task.surprising,
        "others": [
            {"metric": o.metric, "verdict": o.verdict, "difference": difference_json(o.difference), "p": o.p}
            for o in task.others
        ],
        "cells": [{"name": c.name, "difference": difference_json(c.difference), "p": c.p} for c in task.cells],
        "flips": task.flips and asdict(task.flips),
    }


def difference_json(found: Difference | None) -> dict[str, Any] | None:
    """All of a difference, with its effective number of pairs."""
    if found is None:
        return None
    value = {**asdict(found), "effective_n": found.effective_n}
    return {key: None if isinstance(number, float) and math.isnan(number) else number for key, number in value.items()}
