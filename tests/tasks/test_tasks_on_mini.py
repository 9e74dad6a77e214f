"""Properties that every question-answering task has, on the mini suite's official files."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path

import pytest
from answering import a_third_wrong, answered, same, values, write_lines

from sqeval.data.root import resolve_root
from sqeval.errors import DataError
from sqeval.stats.estimates import estimate
from sqeval.task import Sample, Task
from sqeval_tasks.gqa import GQA
from sqeval_tasks.mmbench import MMBench
from sqeval_tasks.pope import POPE
from sqeval_tasks.scienceqa import ScienceQA
from sqeval_tasks.vqav2 import VQAv2

TASKS = [VQAv2(), GQA(), ScienceQA(), POPE(), MMBench()]
ERRORS = {"distribution", "yes_ratio"}
"""Metrics that are no share of right answers."""

each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)


@cache
def mini(task: Task) -> list[Sample]:
    return task.samples(resolve_root("mini"))


@each_task
def test_samples_are_complete(task: Task) -> None:
    samples = mini(task)
    assert len({sample.id for sample in samples}) == len(samples) > 100
    for sample in samples:
        assert sample.question
        assert sample.cluster
        json.dumps(sample.reference)
    refs = {sample.image.key: sample.image for sample in samples if sample.image is not None}
    for ref in list(refs.values())[:3]:
        assert ref.open().mode == "RGB"


@each_task
def test_the_oracle_scores_one_everywhere(task: Task) -> None:
    found = values(task, answered(task, mini(task), task.gold))
    assert next(iter(found)) == task.primary
    assert {name: v for name, v in found.items() if v != 1.0 and name.split("/")[0] not in ERRORS} == {}


@each_task
def test_errors_are_wrong_and_stay_in_the_denominator(task: Task) -> None:
    samples = mini(task)
    records = answered(task, samples, lambda sample: None)
    assert all(record.parsed is None for record in records)
    found = values(task, records)
    assert found[task.primary] == 0.0
    assert {name for name, v in found.items() if v != 0.0} <= {n for n in found if n.split("/")[0] in ERRORS}


@each_task
def test_shuffling_records_changes_no_metric(task: Task) -> None:
    records = a_third_wrong(task, mini(task))
    shuffled = random.Random(1).sample(records, len(records))
    before = values(task, records)
    assert 0.2 < before[task.primary] < 0.95
    assert same(before, values(task, shuffled))


@each_task
def test_every_metric_has_an_interval(task: Task) -> None:
    for metric in task.metrics(a_third_wrong(task, mini(task))):
        found = estimate(metric, replicates=20)
        assert found.value == found.value
        assert found.n == len(metric.ids) > 0


@each_task
def test_predictions_are_joined_by_id_whatever_their_order(task: Task, tmp_path: Path) -> None:
    samples = mini(task)
    gold = {sample.id: task.gold(sample) for sample in samples}
    rows = [{"question_id": key, "text": text, "prompt": "p", "model_id": "m"} for key, text in gold.items()]
    random.Random(2).shuffle(rows)
    assert task.read_predictions(write_lines(tmp_path, "llava.jsonl", rows), samples) == gold
    ours = [record.to_json() for record in answered(task, samples, task.gold)]
    (tmp_path / "samples.jsonl").write_text("\n".join(reversed(ours)))
    assert task.read_predictions(tmp_path / "samples.jsonl", samples) == gold


@each_task
def test_missing_unknown_and_double_ids_are_named(task: Task, tmp_path: Path) -> None:
    samples = mini(task)
    rows = [{"question_id": sample.id, "text": "x"} for sample in samples]
    with pytest.raises(DataError, match="1 samples without a prediction: ") as error:
        task.read_predictions(write_lines(tmp_path, "a.jsonl", rows[1:]), samples)
    assert samples[0].id in str(error.value)
    with pytest.raises(DataError, match="1 unknown ids: nobody"):
        task.read_predictions(
            write_lines(tmp_path, "b.jsonl", [*rows, {"question_id": "nobody", "text": "x"}]), samples
        )
    with pytest.raises(DataError, match=rf"c.jsonl:{len(rows) + 1}: question_id: .* occurs twice"):
        task.read_predictions(write_lines(tmp_path, "c.jsonl", [*rows, rows[3]]), samples)
