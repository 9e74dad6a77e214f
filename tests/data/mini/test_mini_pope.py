"""POPE files of the mini suite: what the benchmark promises about its positives and negatives."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sqeval.data.mini.splits import evaluation_splits

Rows = list[dict[str, Any]]
CATEGORIES = ("random", "popular", "adversarial")


@pytest.fixture(scope="module")
def files(mini_root: Path) -> dict[str, Rows]:
    return {
        c: [json.loads(line) for line in (mini_root / f"pope/coco_pope_{c}.json").read_text().splitlines()]
        for c in CATEGORIES
    }


@pytest.fixture(scope="module")
def present() -> dict[str, set[str]]:
    """Shapes by picture, from the scenes themselves."""
    return {
        f"COCO_val2014_{100_001 + i:012d}.png": {thing.shape for thing in scene.things}
        for i, scene in enumerate(evaluation_splits().coco)
    }


def asked(row: dict[str, Any]) -> str:
    match = re.fullmatch(r"Is there a (\w+) in the image\?", row["text"])
    assert match
    return match[1]


def test_format(files: dict[str, Rows], mini_root: Path) -> None:
    for rows in files.values():
        assert [row["question_id"] for row in rows] == list(range(1, 601))
        assert all(list(row) == ["question_id", "image", "text", "label"] for row in rows)
        assert all((mini_root / "coco/val2014" / row["image"]).is_file() for row in rows)
        for labels in Counter((row["image"], row["label"]) for row in rows).values():
            assert labels == 3
        assert len({row["image"] for row in rows}) == 100


def test_labels_are_true_and_no_shape_is_asked_twice(files: dict[str, Rows], present: dict[str, set[str]]) -> None:
    for rows in files.values():
        assert all((asked(row) in present[row["image"]]) == (row["label"] == "yes") for row in rows)
        assert len({(row["image"], asked(row)) for row in rows}) == len(rows)


def test_positives_are_the_same_in_the_three_files(files: dict[str, Rows]) -> None:
    positives = [[(row["image"], row["text"]) for row in files[c] if row["label"] == "yes"] for c in CATEGORIES]
    assert positives[0] == positives[1] == positives[2]
    negatives = [{(row["image"], row["text"]) for row in files[c] if row["label"] == "no"} for c in CATEGORIES]
    assert negatives[0] != negatives[1] != negatives[2] != negatives[0]


def test_popular_negatives_are_the_most_frequent_absent_shapes(
    files: dict[str, Rows], present: dict[str, set[str]]
) -> None:
    frequency = Counter(shape for shapes in present.values() for shape in shapes)
    for image in {row["image"] for row in files["popular"]}:
        negatives = [asked(r) for r in files["popular"] if r["image"] == image and r["label"] == "no"]
        left_out = set(frequency) - present[image] - set(negatives)
        assert all(frequency[n] >= frequency[other] for n in negatives for other in left_out)


def test_adversarial_negatives_keep_the_company_of_what_is_there(
    files: dict[str, Rows], present: dict[str, set[str]]
) -> None:
    def company(category: str) -> float:
        """Mean number of pictures that an absent shape shares with a present one."""
        shared = [
            sum(asked(row) in shapes and there in shapes for shapes in present.values())
            for row in files[category]
            if row["label"] == "no"
            for there in present[row["image"]]
        ]
        return sum(shared) / len(shared)

    assert company("random") < company("popular") < company("adversarial")
