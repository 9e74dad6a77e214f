"""Every task reads the mini root with the code that reads the real files; oracles and constants score as they must."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sqeval.data.mini.instruct import conversation, text_only
from sqeval.data.mini.rng import Rng
from sqeval.data.mini.scenes import sample_scene
from sqeval.data.root import DataRoot
from sqeval.records import Record
from sqeval.task import Sample, Task
from sqeval_tasks.gqa import GQA
from sqeval_tasks.mmbench import MMBench
from sqeval_tasks.pope import POPE
from sqeval_tasks.scienceqa import ScienceQA
from sqeval_tasks.vqav2 import VQAv2

TASKS: list[type[Task]] = [VQAv2, GQA, ScienceQA, POPE, MMBench]
PICTURES_AND_QUESTIONS = {"vqav2": (200, 1200), "gqa": (100, 1200), "scienceqa": (200, 300), "pope": (100, 1800)}


def evaluate(task: Task, samples: list[Sample], respond: Callable[[Sample], str]) -> dict[str, float]:
    """Metrics of a model that answers by `respond`."""
    records = []
    for sample in samples:
        score = task.score(respond(sample), sample)
        key = None if sample.image is None else sample.image.key
        records.append(
            Record(
                sample.id, sample.cluster, key, sample.question, task.prompt(sample), respond(sample), score.parsed,
                sample.reference, score.values, sample.tags,
            )
        )  # fmt: skip
    metrics = {}
    for metric in task.metrics(records):
        sums = metric.columns.sum(axis=0)
        value = sums[0] / len(metric.columns) if metric.function is None else metric.function(sums)
        metrics[metric.name] = float(np.asarray(value))
    return metrics


@pytest.fixture(scope="module")
def root(mini_root: Path) -> DataRoot:
    return DataRoot(mini_root, "mini")


@pytest.mark.parametrize("kind", TASKS)
def test_samples_are_complete(kind: type[Task], root: DataRoot) -> None:
    samples = kind().samples(root)
    assert len({sample.id for sample in samples}) == len(samples)
    images = {sample.image.key: sample.image for sample in samples if sample.image is not None}
    if kind.name in PICTURES_AND_QUESTIONS:
        assert (len(images), len(samples)) == PICTURES_AND_QUESTIONS[kind.name]
    for image in images.values():
        assert image.open().size == (72, 72)


@pytest.mark.parametrize("kind", [GQA, ScienceQA, POPE, MMBench])
def test_an_oracle_is_always_right(kind: type[Task], root: DataRoot) -> None:
    task = kind()
    metrics = evaluate(task, task.samples(root), task.gold)
    assert metrics[task.primary] == 1.0
    if kind is GQA:
        assert {metrics[name] for name in ("consistency", "validity", "plausibility")} == {1.0}
        assert metrics["distribution"] == 0.0


def test_an_oracle_of_vqa_agrees_with_enough_annotators(root: DataRoot) -> None:
    """Fewer than four of ten say the truth, with probability .9 each, about once in 10,000 questions."""
    task = VQAv2()
    assert evaluate(task, task.samples(root), task.gold)["accuracy"] > 0.999


def test_a_constant_answer_of_vqa_scores_by_the_formula(root: DataRoot) -> None:
    """Who agrees with n of ten: the n have n - 1 others that agree, the rest have n."""
    task = VQAv2()
    samples = task.samples(root)
    expected = 0.0
    for sample in samples:
        n = sample.reference.count("yes")
        expected += (n * min(1, (n - 1) / 3) + (10 - n) * min(1, n / 3)) / 10
    accuracy = evaluate(task, samples, lambda _: "yes")["accuracy"]
    assert accuracy == pytest.approx(expected / len(samples), abs=1e-12)
    assert 0.15 < accuracy < 0.35


def test_always_yes_to_pope(root: DataRoot) -> None:
    """Half of the questions are yes: precision 1/2, recall 1, F1 2/3. Always no finds nothing."""
    task = POPE()
    samples = task.samples(root)
    always_yes = evaluate(task, samples, lambda _: "Yes")
    assert always_yes["f1_mean"] == pytest.approx(2 / 3)
    assert always_yes["yes_ratio"] == 1.0
    assert evaluate(task, samples, lambda _: "No")["f1_mean"] == 0.0


def test_one_letter_never_survives_the_rotations(root: DataRoot) -> None:
    task = MMBench()
    samples = task.samples(root)
    firsts = [sample for sample in samples if int(sample.id) < 1_000_000]
    for letter in "ABCD":
        metrics = evaluate(task, samples, lambda _, letter=letter: letter)
        assert metrics["circular"] == 0.0
        assert metrics["vanilla"] == pytest.approx(sum(task.gold(s) == letter for s in firsts) / len(firsts))


def test_the_same_text_in_every_rotation_does(root: DataRoot) -> None:
    """Answering by the option's text, not its letter, is right in all passes or in none."""
    task = MMBench()
    samples = task.samples(root)
    metrics = evaluate(task, samples, lambda sample: sample.metadata["options"][task.gold(sample)])
    assert metrics["circular"] == metrics["vanilla"] > 0.9


@pytest.mark.parametrize("kind", [GQA, ScienceQA])
def test_no_constant_answer_is_a_good_answer(kind: type[Task], root: DataRoot) -> None:
    task = kind()
    samples = task.samples(root)
    common, _ = Counter(task.gold(sample) for sample in samples).most_common(1)[0]
    assert evaluate(task, samples, lambda _: common)[task.primary] < 0.4


@pytest.mark.parametrize("kind", TASKS)
def test_prompts_use_the_words_of_training(kind: type[Task], root: DataRoot) -> None:
    """All but the fifth letter, which the few ScienceQA problems with five choices need."""
    turns = [
        turn for i in range(400) for turn in conversation(sample_scene("train", i), 0) + text_only(Rng("text", i, 0))
    ]
    known = {word for turn in turns for text in turn for word in re.findall(r"\w+", text)}
    task = kind()
    asked = {word for sample in task.samples(root) for word in re.findall(r"\w+", task.prompt(sample))}
    assert asked - known <= ({"E"} if kind is ScienceQA else set())
