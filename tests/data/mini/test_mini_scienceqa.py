"""ScienceQA files of the mini suite."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

Problems = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def problems(mini_root: Path) -> Problems:
    return json.loads((mini_root / "scienceqa/problems.json").read_text())


@pytest.fixture(scope="module")
def splits(mini_root: Path) -> dict[str, list[str]]:
    return json.loads((mini_root / "scienceqa/pid_splits.json").read_text())


def test_official_fields(problems: Problems, mini_root: Path) -> None:
    for pid, problem in problems.items():
        assert set(problem) == {
            "question", "choices", "answer", "hint", "image", "task", "grade", "subject", "topic", "category", "skill",
            "lecture", "solution", "split",
        }  # fmt: skip
        assert 2 <= len(problem["choices"]) == len(set(problem["choices"])) <= 5
        assert 0 <= problem["answer"] < len(problem["choices"])
        assert problem["subject"] in {"natural science", "social science", "language science"}
        assert re.fullmatch(r"grade([1-9]|1[0-2])", problem["grade"])
        file = mini_root / f"scienceqa/images/{problem['split']}/{pid}/image.png"
        assert file.is_file() == (problem["image"] == "image.png")
        assert problem["image"] in (None, "image.png")


def test_splits(problems: Problems, splits: dict[str, list[str]]) -> None:
    assert set(splits) == {"train", "val", "test", "trainval", "minitrain", "minival", "minitest"}
    assert [problems[pid]["split"] for pid in splits["test"]] == ["test"] * 300
    assert splits["trainval"] == splits["train"] + splits["val"]
    assert sorted(splits["trainval"] + splits["test"]) == sorted(problems)


def test_every_breakdown_of_the_benchmark_has_questions(problems: Problems, splits: dict[str, list[str]]) -> None:
    test = [problems[pid] for pid in splits["test"]]
    assert sum(p["image"] is not None for p in test) == 200
    context = Counter((p["image"] is not None, p["hint"] != "") for p in test)
    assert all(context[image, hint] >= 20 for image in (True, False) for hint in (True, False))
    assert min(Counter(p["subject"] for p in test).values()) >= 40
    assert {len(p["choices"]) for p in test} == {2, 3, 4, 5}
    assert {p["grade"] for p in test} == {f"grade{g}" for g in range(1, 13)}
    assert max(Counter(p["answer"] for p in test).values()) / 300 < 0.4


def test_text_questions_are_answered_by_their_context_or_by_word_knowledge(problems: Problems) -> None:
    colors = {"red", "orange", "yellow", "green", "blue", "purple", "black", "white"}
    for problem in problems.values():
        right = problem["choices"][problem["answer"]]
        if problem["image"] is not None:
            continue
        if problem["hint"]:
            shape = re.fullmatch(r"What color is the (\w+)\?", problem["question"])
            assert shape
            assert f"The {shape[1]} is {right}." in problem["hint"]
        else:
            asks_for_color = problem["question"] == "Which word is a color?"
            fitting = [c for c in problem["choices"] if (c in colors) == asks_for_color]
            assert fitting == [right]
