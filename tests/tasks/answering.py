"""What the task tests share: answering samples, evaluating metrics, writing official files."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sqeval.data.root import DataRoot
from sqeval.records import Record
from sqeval.task import Sample, Task


def answered(task: Task, samples: Sequence[Sample], answer: Callable[[Sample], str | None]) -> list[Record]:
    """Records as a run would write them; an answer None is an error."""
    records = []
    for sample in samples:
        response = answer(sample)
        score = task.score(response, sample)
        records.append(
            Record(
                id=sample.id,
                cluster=sample.cluster,
                image=None if sample.image is None else sample.image.key,
                question=sample.question,
                prompt=task.prompt(sample),
                response=response,
                parsed=score.parsed,
                reference=sample.reference,
                scores=score.values,
                tags=sample.tags,
                error="failed" if response is None else None,
            )
        )
    return [Record.from_json(record.to_json()) for record in records]


def values(task: Task, records: Sequence[Record]) -> dict[str, float]:
    """Metrics' values by name."""
    return {
        metric.name: float(metric.columns.mean() if metric.function is None else metric.function(metric.columns.sum(0)))
        for metric in task.metrics(records)
    }


def write_json(root: Path, name: str, value: Any) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1))
    return path


def write_lines(root: Path, name: str, rows: Sequence[Any]) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def data_root(path: Path) -> DataRoot:
    return DataRoot(path, str(path))


def a_third_wrong(task: Task, samples: Sequence[Sample]) -> list[Record]:
    """A mixed set of records: two thirds right, the others someone else's answer, an error, or silence."""
    rng = random.Random(0)
    gold = {sample.id: task.gold(sample) for sample in samples}
    others = list(gold.values())

    def answer(sample: Sample) -> str | None:
        draw = rng.random()
        return gold[sample.id] if draw < 0.67 else rng.choice([None, "", rng.choice(others)])

    return answered(task, samples, answer)


def same(one: dict[str, float], other: dict[str, float]) -> bool:
    """Equal names, equal values but for the last bits."""
    return one.keys() == other.keys() and all(np.isclose(one[k], other[k], rtol=0, atol=1e-12) for k in one)
