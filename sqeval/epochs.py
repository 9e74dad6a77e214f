"""Repeated answers: each question asked K times, and averaged before anything else is computed.

Averaging K answers a question first is what keeps the error bars right: the questions stay the units, and the noise of
sampling answers shrinks with K (Miller 2024, Adding Error Bars to Evals, equation 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sqeval.records import Record
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Task

MARK = "#epoch="
"""Between a question's id and the number of its repetition, from 1; the first answer has the question's own id."""


def repeated(samples: Sequence[Sample], epochs: int) -> list[Sample]:
    """All samples, then all again, `epochs` times in all."""
    again = (replace(sample, id=f"{sample.id}{MARK}{epoch}") for epoch in range(1, epochs) for sample in samples)
    return [*samples, *again]


def question(key: str) -> str:
    """Id of the question that a record's id is about."""
    return key.rpartition(MARK)[0] or key


def by_epoch(records: Sequence[Record]) -> list[list[Record]]:
    """The records of each epoch under their questions' ids, in their order."""
    if not any(MARK in record.id for record in records):
        return [list(records)] if records else []
    epochs: dict[int, list[Record]] = {}
    for record in records:
        question, mark, epoch = record.id.rpartition(MARK)
        own = record.but(id=question) if mark else record
        epochs.setdefault(int(epoch) if mark else 0, []).append(own)
    return [epochs[epoch] for epoch in sorted(epochs)]


def metrics(task: Task, records: Sequence[Record]) -> list[Metric]:
    """The task's metrics, the columns of each question averaged over its answers.

    Raises ValueError if the epochs are not about the same questions.
    """
    first, *others = [task.metrics(own) for own in by_epoch(records)] or [task.metrics([])]
    if not others:
        return first
    named = [{metric.name: metric for metric in each} for each in others]
    return [_averaged(metric, [each.get(metric.name) for each in named]) for metric in first]


def corpus_scores(
    task: Task, records: Sequence[Record], samples: Sequence[Sample]
) -> Sequence[Mapping[str, float]] | None:
    """`Task.corpus_scores` of each epoch by itself, aligned with `records`, which stand epoch by epoch."""
    epochs = by_epoch(records)
    found = [task.corpus_scores(own, samples) for own in epochs]
    scores = [score for each in found if each is not None for score in each]
    return scores if len(scores) == len(records) else None


def first_epoch(records: Sequence[Record]) -> list[Record]:
    """One answer a question, for files that hold no more."""
    return [record for record in records if MARK not in record.id]


def _averaged(metric: Metric, others: Sequence[Metric | None]) -> Metric:
    columns = [metric.columns]
    for other in others:
        if other is None or list(other.ids) != list(metric.ids):
            raise ValueError(f"metric {metric.name}: the repeated answers are not about the same questions")
        columns.append(other.columns)
    return replace(metric, columns=np.mean(columns, axis=0))
