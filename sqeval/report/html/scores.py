"""The one number that says how good a single answer is, where a task has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sqeval.errors import SqevalError
from sqeval.records import Record
from sqeval.registry import get_task
from sqeval.runs import TaskRun
from sqeval.stats.clusters import evaluator
from sqeval.stats.metric import Metric


def sample_scores(run: TaskRun) -> tuple[str, Mapping[str, float]] | None:
    """Name of the score and its value by sample; None where the answers are not public or no score stands alone.

    The primary metric, where each record has it; else the first metric that is the mean of one value a record (POPE's
    accuracy); else the only score, or the one named accuracy (MMBench's, of a rotation).
    """
    records = run.records
    names = set.intersection(*(set(record.scores) for record in records)) if records else set()
    if not names:
        return None
    for name in (str(run.result["primary"]), "accuracy"):
        if name in names and name in run.result["metrics"]:
            return name, {record.id: record.scores[name] for record in records}
    found = _mean_of_records(run, records)
    if found is not None:
        return found
    only = "accuracy" if "accuracy" in names else next(iter(names)) if len(names) == 1 else None
    return None if only is None else (only, {record.id: record.scores[only] for record in records})


def shown_scores(run: TaskRun) -> list[str]:
    """Names of the scores that people know: those that are metrics of the task, or all if they are few."""
    names = list(dict.fromkeys(name for record in run.records for name in record.scores))
    known = [name for name in names if name in run.result["metrics"]]
    return names if len(names) <= 6 else known


def _mean_of_records(run: TaskRun, records: Sequence[Record]) -> tuple[str, Mapping[str, float]] | None:
    try:
        task = get_task(run.name, run.protocol)
    except SqevalError:
        return None
    if task.version != run.result["version"]:
        return None
    for metric in task.metrics(records):
        if "/" not in metric.name and len(metric.ids) == len(records):
            values = _values(metric)
            if values is not None:
                return metric.name, dict(zip(metric.ids, values, strict=True))
    return None


def _values(metric: Metric) -> list[float] | None:
    """The metric of each single unit, if the whole is their mean."""
    single = evaluator(metric, 1)(metric.columns)
    whole = evaluator(metric, len(metric.ids))(metric.columns.sum(axis=0))
    return single.tolist() if np.isclose(single.mean(), whole, rtol=0, atol=1e-9) else None
