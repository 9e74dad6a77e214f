"""POPE: ids, metrics by hand, and the three formats of answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from answering import answered, data_root, values, write_lines

from sqeval.errors import DataError
from sqeval.task import Sample
from sqeval_tasks.pope import CATEGORIES, POPE

TASK = POPE()
IMAGE = "COCO_val2014_000000310196.jpg"
OBJECTS = {"random": ["dog", "cup"], "popular": ["dog", "car", "person"], "adversarial": ["dog", "fork", "person"]}
"""The first object is there."""


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    for category, objects in OBJECTS.items():
        rows = [
            {"question_id": i + 1, "image": IMAGE, "text": question(name), "label": "no" if i else "yes"}
            for i, name in enumerate(objects)
        ]
        write_lines(tmp_path, f"pope/coco_pope_{category}.json", rows)
    return TASK.samples(data_root(tmp_path))


def question(name: str) -> str:
    return f"Is there a {name} in the image?"


def test_samples_and_prompt(samples: list[Sample]) -> None:
    assert [s.id for s in samples] == [f"{c}/{i + 1}" for c in CATEGORIES for i in range(len(OBJECTS[c]))]
    assert samples[0].cluster == f"coco/val2014/{IMAGE}"
    assert TASK.prompt(samples[0]) == (
        "Is there a dog in the image?\nAnswer the question using a single word or phrase."
    )
    assert TASK.settings.max_new_tokens == 128
    assert TASK.settings.temperature == 0


@pytest.mark.parametrize(("random", "words"), [(2_910, "LLaVA's tables"), (3_000, "current"), (10, None)])
def test_the_number_of_random_questions_tells_the_data_version(
    samples: list[Sample], tmp_path: Path, random: int, words: str | None
) -> None:
    found = TASK.data_version(data_root(tmp_path), samples[:1] * random + samples[2:])
    assert found is None if words is None else found and words in found


def test_metrics_of_a_model_that_always_says_yes(samples: list[Sample]) -> None:
    found = values(TASK, answered(TASK, samples, lambda sample: "Yes"))
    f1 = {"random": 2 / 3, "popular": 1 / 2, "adversarial": 1 / 2}
    for category, value in f1.items():
        assert found[f"f1/category={category}"] == pytest.approx(value)
        assert found[f"recall/category={category}"] == found["yes_ratio"] == 1.0
    assert found["f1_mean"] == pytest.approx(sum(f1.values()) / 3)
    assert found["f1"] == pytest.approx(2 * 3 / 8 / (1 + 3 / 8))
    assert found["accuracy"] == found["precision"] == 3 / 8


def test_always_no_gives_zero_and_not_an_error(samples: list[Sample]) -> None:
    found = values(TASK, answered(TASK, samples, lambda sample: "No"))
    assert found["f1_mean"] == found["f1"] == found["precision"] == found["recall"] == found["yes_ratio"] == 0.0
    assert found["accuracy"] == 5 / 8


def test_an_empty_answer_is_scored_as_yes_and_shown_as_unparsed(samples: list[Sample]) -> None:
    score = TASK.score(" ", samples[0])
    assert score.parsed is None
    assert score.values["tp"] == 1.0


def official(samples: list[Sample], category: str) -> list[dict[str, str]]:
    return [{"question": s.question, "answer": s.id} for s in samples if s.tags["category"] == category]


def test_official_answers_follow_the_order_of_the_questions(samples: list[Sample], tmp_path: Path) -> None:
    want = {s.id: s.id for s in samples}
    parts = {category: official(samples, category) for category in CATEGORIES}
    for order in (["adversarial", "random", "popular"], ["random", "popular", "adversarial"]):
        path = write_lines(tmp_path, "all.jsonl", [row for category in order for row in parts[category]])
        assert TASK.read_predictions(path, samples) == want
    for number, category in enumerate(["popular", "adversarial", "random"]):
        write_lines(tmp_path, f"answers/{number}.json", parts[category])
    assert TASK.read_predictions(tmp_path / "answers", samples) == want


def test_official_answers_to_other_questions_are_refused(samples: list[Sample], tmp_path: Path) -> None:
    rows = [row for category in CATEGORIES for row in official(samples, category)]
    swapped = [rows[1], rows[0], *rows[2:]]
    with pytest.raises(DataError, match=r"swapped.jsonl:1: question: expected the question of random/1"):
        TASK.read_predictions(write_lines(tmp_path, "swapped.jsonl", swapped), samples)
    with pytest.raises(DataError, match=r"6 samples without a prediction: popular/1, popular/2, popular/3, adv"):
        TASK.read_predictions(write_lines(tmp_path, "one.jsonl", rows[:2]), samples)
    with pytest.raises(
        DataError, match=rf"expected {len(rows)} answers \(.*\) in the data's order, found {len(rows) - 1};"
    ):
        TASK.read_predictions(write_lines(tmp_path, "short.jsonl", rows[:-1]), samples)


def test_llava_numbers_the_categories_in_one_space(samples: list[Sample], tmp_path: Path) -> None:
    offset = {"adversarial": 0, "random": 10_000_000, "popular": 20_000_000}
    rows = [
        {"question_id": offset[s.tags["category"]] + int(s.id.split("/")[1]), "text": s.id, "model_id": "m"}
        for s in reversed(samples)
    ]
    assert TASK.read_predictions(write_lines(tmp_path, "llava.jsonl", rows), samples) == {s.id: s.id for s in samples}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"question_id": "1", "image": IMAGE, "text": "?", "label": "no"}, r":1: question_id: expected an integer"),
        ({"question_id": 1, "image": IMAGE, "text": "?", "label": "No"}, r':1: label: expected one of "yes", "no"'),
        ({"question_id": 1, "image": "../x.jpg", "text": "?", "label": "no"}, r":1: image: .* leaves the data root"),
        ({"question_id": 1, "image": IMAGE, "label": "no"}, r":1: text: expected a string, found no such field"),
    ],
)
def test_malformed_records(samples: list[Sample], tmp_path: Path, row: dict[str, object], expected: str) -> None:
    write_lines(tmp_path, "pope/coco_pope_random.json", [row])
    with pytest.raises(DataError, match=expected):
        TASK.samples(data_root(tmp_path))
