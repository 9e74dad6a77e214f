"""Runs as pandas tables: a row a metric, a row a sample, a row a compared metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from sqeval.stored import SCORE, TAG

if TYPE_CHECKING:
    from sqeval.comparison import MetricComparison, RunComparison, TaskComparison
    from sqeval.records import Record

METRICS = ("task", "metric", "value", "stderr", "low", "high", "n", "clusters")
SAMPLES = (
    "task", "id", "cluster", "image", "question", "prompt", "response", "parsed", "reference", "finish_reason", "error",
)  # fmt: skip
"""Columns that every table of samples begins with; ``score:NAME`` and ``tag:NAME`` follow."""
COMPARED = (
    "run", "baseline", "task", "metric", "primary", "base", "value", "difference", "low", "high", "stderr", "p", "mde",
    "n", "clusters", "worse", "better", "verdict",
)  # fmt: skip


def metrics(results: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Every metric of each task's metrics.json, the primary ones first within their task; values are in 0..1."""
    rows = []
    for task, result in results.items():
        primary = result["primary"]
        for name in sorted(result["metrics"], key=lambda name: name != primary):
            found = result["metrics"][name]
            low, high = found.get("ci95") or (None, None)
            rows.append((task, name, found["value"], found.get("stderr"), low, high, found["n"], found["clusters"]))
    return pd.DataFrame(rows, columns=list(METRICS))


def samples(tasks: Mapping[str, Sequence[Record]]) -> pd.DataFrame:
    """A row a sample of each task; a score or tag that a sample does not have is missing."""
    rows = [_sample(task, record) for task, records in tasks.items() for record in records]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(SAMPLES))


def compared(comparisons: Iterable[RunComparison]) -> pd.DataFrame:
    """A row a metric of each task and run, candidate minus baseline; values are in the metrics' own units (0..1)."""
    rows = []
    for comparison in comparisons:
        sides = {"run": comparison.candidate.name, "baseline": comparison.baseline.name}
        for task in comparison.tasks:
            flips = task.flips and {"worse": len(task.flips.worse), "better": len(task.flips.better)}
            rows.append({**sides, "task": task.task, "primary": True, **_difference(task), **(flips or {})})
            rows += [{**sides, "task": task.task, "primary": False, **_difference(other)} for other in task.others]
    return pd.DataFrame(rows, columns=list(COMPARED))


def _sample(task: str, record: Record) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in SAMPLES if name not in ("task", "error")}
    scores = {SCORE + name: value for name, value in record.scores.items()}
    tags = {TAG + name: value for name, value in record.tags.items()}
    return {"task": task, **row, "error": record.failure, **scores, **tags}


def _difference(compared: TaskComparison | MetricComparison) -> dict[str, Any]:
    row: dict[str, Any] = {"metric": compared.metric, "p": compared.p, "verdict": str(compared.verdict)}
    found = compared.difference
    if found is not None:
        same = ("base", "low", "high", "stderr", "mde", "n", "clusters")
        row |= {name: getattr(found, name) for name in same} | {"value": found.candidate, "difference": found.value}
    return row
