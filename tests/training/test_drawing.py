"""Which samples each step reads: each as often as its weight says, by nothing but seed, step and data."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sqllava.training.conversations import ConversationFile, TrainingDataError
from sqllava.training.drawing import Mixture, StepPlan
from sqllava.training.recipe import Stage


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three files of 40, 63 and 200 samples, a third of each without an image, of many lengths."""
    for name, count in (("a", 40), ("b", 63), ("c", 200)):
        rows = []
        for i in range(count):
            turns = [{"from": "human", "value": "x" * (i * 7 % 50)}, {"from": "gpt", "value": "y"}]
            rows.append({"id": f"{name}{i}", "conversations": turns, **({"image": "x.png"} if i % 3 else {})})
        (tmp_path / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")
    return tmp_path


def mixture(data: Path, **weights: float) -> Mixture:
    return Mixture([ConversationFile(data / f"{name}.json") for name in weights], list(weights.values()))


def stage(**settings: Any) -> Stage:
    given = {"name": "s", "kind": "conversations", "data": "x", "trained": {"projector": {"learning_rate": 1e-3}}}
    return Stage(**{**given, "batch_size": 4, **({} if "steps" in settings else {"epochs": 1}), **settings})


def test_numbers_run_through_the_files(data: Path) -> None:
    mix = mixture(data, a=1, b=1)
    assert len(mix) == 103
    assert [mix[i].id for i in (0, 39, 40, 102)] == ["a0", "a39", "b0", "b62"]
    file, place = mix.locate(41)
    assert (file.path.name, place) == ("b.json", 1)
    assert mix.has_image.tolist() == [mix[i].image is not None for i in range(103)]
    assert mix.lengths.tolist() == [sum(len(turn.text) for turn in mix[i].turns) for i in range(103)]


@pytest.mark.parametrize(("weight", "epochs"), [(1, 1), (2, 1), (3, 2), (0.25, 4), (0.1, 10), (1.5, 2), (0.4, 5)])
def test_every_sample_is_read_as_often_as_its_weight_says(data: Path, weight: float, epochs: int) -> None:
    mix = mixture(data, a=1, c=weight)
    readings: Counter[tuple[int, int]] = Counter()
    for epoch in range(epochs):
        draw = mix.epoch(0, epoch)
        assert np.isin(draw.numbers, np.arange(40)).sum() == 40
        assert len(draw.numbers) == pytest.approx(40 + weight * 200, abs=1)
        readings.update(zip(draw.numbers.tolist(), draw.readings.tolist(), strict=True))
    # Not one reading twice, none left out: the times that a sample was read before count up from 0.
    times = round(weight * epochs)
    assert readings == Counter({(40 + i, k): 1 for i in range(200) for k in range(times)}) + Counter(
        {(i, k): 1 for i in range(40) for k in range(epochs)}
    )


def test_unweighted_readings_are_the_epoch(data: Path) -> None:
    assert set(mixture(data, a=1, b=1).epoch(0, 5).readings.tolist()) == {5}


def test_a_quarter_is_another_quarter_each_epoch(data: Path) -> None:
    mix = mixture(data, c=0.25)
    quarters = [set(mix.epoch(3, epoch).numbers.tolist()) for epoch in range(5)]
    assert [len(quarter) for quarter in quarters] == [50] * 5
    assert set.union(*quarters[:4]) == set(range(200))
    assert quarters[4] != quarters[0]
    assert quarters[0] != set(mix.epoch(4, 0).numbers.tolist())


@pytest.mark.parametrize("grouped", [True, False])
def test_an_epoch_of_steps_reads_everything_but_the_remainder(data: Path, grouped: bool) -> None:
    mix = mixture(data, a=1, b=2)
    plan = StepPlan(mix, stage(epochs=2, batch_size=8, group_by_length=grouped), 0)
    for epoch in (0, 1):
        draws = [plan[step] for step in range(plan.steps) if plan[step].epoch == epoch]
        used = Counter(int(number) for draw in draws for number in draw.numbers)
        assert sum(used.values()) > 40 + 2 * 63 - (2 * 8 if grouped else 8)
        assert all(count <= (1 if number < 40 else 2) for number, count in used.items())
    assert all(len(draw.numbers) == len(draw.readings) == 8 for draw in draws)


def test_grouped_batches_hold_one_modality_and_similar_lengths(data: Path) -> None:
    mix = mixture(data, c=1)
    spreads = {}
    for grouped in (True, False):
        plan = StepPlan(mix, stage(group_by_length=grouped), 0)
        batches = [plan[step].numbers for step in range(plan.steps)]
        single = [len(set(mix.has_image[batch].tolist())) == 1 for batch in batches]
        assert all(single) == grouped
        spreads[grouped] = np.mean([np.ptp(mix.lengths[batch]) for batch in batches])
    assert spreads[True] < spreads[False] / 4
    with_image = [bool(mix.has_image[StepPlan(mix, stage(), 0)[step].numbers[0]]) for step in range(20)]
    assert len(set(with_image)) == 2  # the two take turns


def test_the_remainder_is_not_always_the_longest(data: Path) -> None:
    mix = mixture(data, c=1)
    plan = StepPlan(mix, stage(epochs=30, batch_size=48), 0)
    left = [set(range(200)) for _ in range(30)]
    for step in range(plan.steps):
        left[plan[step].epoch] -= set(plan[step].numbers.tolist())
    lengths = [int(mix.lengths[number]) for numbers in left for number in numbers]
    assert min(lengths) < 10
    assert max(lengths) > 40


def test_batches_are_the_same_again_and_differ_between_epochs_and_seeds(data: Path) -> None:
    mix, settings = mixture(data, b=1, c=1), stage(epochs=3)
    plan, again, other = (StepPlan(mix, settings, seed) for seed in (0, 0, 1))
    batches = [plan[step].numbers.tolist() for step in range(plan.steps)]
    for step in (plan.steps - 1, 0, plan.steps // 2, 3):  # in any order
        assert again[step].numbers.tolist() == batches[step]
    epochs = [{frozenset(plan[s].numbers.tolist()) for s in range(plan.steps) if plan[s].epoch == e} for e in (0, 1)]
    assert len(epochs[0] & epochs[1]) < len(epochs[0]) / 2
    assert batches != [other[step].numbers.tolist() for step in range(plan.steps)]


def test_steps_follow_from_epochs_or_are_given(data: Path) -> None:
    mix = mixture(data, a=1)  # 26 with an image, 14 without: 6 + 3 batches of 4
    assert StepPlan(mix, stage(), 0).steps == 9
    assert StepPlan(mix, stage(group_by_length=False), 0).steps == 10
    assert StepPlan(mix, stage(group_by_length=False, epochs=1.2), 0).steps == 12
    assert StepPlan(mix, stage(epochs=0.01), 0).steps == 1
    plan = StepPlan(mix, stage(steps=100), 0)
    assert plan.steps == 100
    assert [plan[step].epoch for step in (0, 8, 9, 99)] == [0, 0, 1, 11]
    with pytest.raises(IndexError):
        plan[100]


def test_fewer_samples_than_a_batch_are_an_error(data: Path) -> None:
    with pytest.raises(TrainingDataError, match=r"a\.json: an epoch has 40 samples, not the 64 of a batch"):
        StepPlan(mixture(data, a=1), stage(batch_size=64), 0)
    with pytest.raises(TrainingDataError, match="with an image, nor without one; choose a smaller batch_size"):
        StepPlan(mixture(data, a=1), stage(batch_size=32, steps=5), 0)[0]
    assert StepPlan(mixture(data, a=1), stage(batch_size=32, group_by_length=False), 0).steps == 1


def test_one_file_may_stand_for_several_entries(data: Path) -> None:
    file = ConversationFile(data / "a.json")
    mix = Mixture([file, file], [1, 0.5])
    assert Counter(n % 40 for n in mix.epoch(0, 0).numbers.tolist()).total() == 60
