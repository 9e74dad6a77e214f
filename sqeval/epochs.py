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


def metrics(task: Task, each: Sequence[Sequence[Record]]) -> list[Metric]:
    """The task's metrics of the records of `each` epoch: the columns of a question are averaged over its answers.

    Raises ValueError if the epochs are not about the same questions.
    """
    first, *others = [task.metrics(own) for own in each or [[]]]
    if not others:
        return first
    named = [{metric.name: metric for metric in other} for other in others]
    return [_averaged(metric, [other.get(metric.name) for other in named]) for metric in first]


def corpus_scores(
    task: Task, each: Sequence[Sequence[Record]], samples: Sequence[Sample]
) -> Sequence[Mapping[str, float]] | None:
    """`Task.corpus_scores` of `each` epoch by itself, one after the other."""
    found = [task.corpus_scores(own, samples) for own in each]
    scores = [score for own in found if own is not None for score in own]
    return scores if len(scores) == sum(map(len, each)) else None


def _averaged(metric: Metric, others: Sequence[Metric | None]) -> Metric:
    columns = [metric.columns]
    for other in others:
        if other is None or list(other.ids) != list(metric.ids):
            raise ValueError(f"metric {metric.name}: the repeated answers are not about the same questions")
        columns.append(other.columns)
    return replace(metric, columns=np.mean(columns, axis=0))
