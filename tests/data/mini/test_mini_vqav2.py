"""VQAv2 files of the mini suite: official fields, true gold answers, annotators who mostly agree."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from scene_oracle import answer

from sqeval.data.mini.splits import evaluation_splits
from sqeval.data.mini.write_gqa import scene_graph
from sqeval.data.mini.write_vqav2 import question_type

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def questions(mini_root: Path) -> dict[str, Any]:
    return json.loads((mini_root / "vqav2/v2_OpenEnded_mscoco_val2014_questions.json").read_text())


@pytest.fixture(scope="module")
def annotations(mini_root: Path) -> dict[str, Any]:
    return json.loads((mini_root / "vqav2/v2_mscoco_val2014_annotations.json").read_text())


def test_official_fields(questions: dict[str, Any], annotations: dict[str, Any], mini_root: Path) -> None:
    head = {"info", "license", "data_type", "data_subtype"}
    assert set(questions) == head | {"task_type", "questions"}
    assert set(annotations) == head | {"annotations"}
    assert (questions["task_type"], questions["data_subtype"]) == ("Open-Ended", "val2014")
    for row in questions["questions"]:
        assert set(row) == {"image_id", "question", "question_id"}
        assert row["question_id"] // 1000 == row["image_id"]
        assert (mini_root / f"coco/val2014/COCO_val2014_{row['image_id']:012d}.png").is_file()
    for row in annotations["annotations"]:
        assert set(row) == {
            "question_type", "multiple_choice_answer", "answers", "image_id", "answer_type", "question_id",
        }  # fmt: skip
        assert row["answer_type"] in {"yes/no", "number", "other"}
        assert [a["answer_id"] for a in row["answers"]] == list(range(1, 11))
        assert all(a["answer_confidence"] in {"yes", "maybe", "no"} for a in row["answers"])
        given = Counter(a["answer"] for a in row["answers"])
        assert given[row["multiple_choice_answer"]] == max(given.values())


def test_sizes(questions: dict[str, Any], annotations: dict[str, Any]) -> None:
    ids = [row["question_id"] for row in questions["questions"]]
    assert ids == [row["question_id"] for row in annotations["annotations"]]
    assert len(set(ids)) == 1200
    assert set(Counter(id // 1000 for id in ids).values()) == {6}
    texts = [(row["image_id"], row["question"]) for row in questions["questions"]]
    assert len(set(texts)) == len(texts)


def test_annotators_tell_the_truth_nine_times_in_ten(questions: dict[str, Any], annotations: dict[str, Any]) -> None:
    graphs = {100_001 + i: scene_graph(scene) for i, scene in enumerate(evaluation_splits().coco)}
    agreeing, majority_right, unanimous = 0, 0, 0
    for question, row in zip(questions["questions"], annotations["annotations"], strict=True):
        truth = answer(question["question"], graphs[question["image_id"]])
        votes = sum(a["answer"] == truth for a in row["answers"])
        agreeing += votes
        unanimous += votes == 10
        majority_right += row["multiple_choice_answer"] == truth
    # 12,000 draws with probability .9: a standard error of .0027; all ten agree with probability .9 ** 10 = .349
    assert agreeing / 12_000 == pytest.approx(0.9, abs=0.011)
    assert unanimous / 1200 == pytest.approx(0.9**10, abs=0.055)
    assert majority_right == 1200


def test_question_types_are_the_longest_official_prefix() -> None:
    assert question_type("What color is the star?") == "what color is the"
    assert question_type("Is there a star in the image?") == "is there a"
    assert question_type("Is there an orange star in the image?") == "is there"
    assert question_type("Is there either a ring or a star?") == "is there"
    assert question_type("What shape is the red object?") == "what"
    assert question_type("Whose star is this?") == "none of the above"
