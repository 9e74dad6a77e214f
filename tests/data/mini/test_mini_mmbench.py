"""The MMBench TSV of the mini suite: rotations, pictures, abilities."""

from __future__ import annotations

import base64
import csv
import io
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from scene_oracle import answer

from sqeval.data.mini.splits import evaluation_splits
from sqeval.data.mini.write_gqa import scene_graph

PASS = 1_000_000
Row = dict[str, str]


@pytest.fixture(scope="module")
def rows(mini_root: Path) -> list[Row]:
    csv.field_size_limit(1 << 20)
    with (mini_root / "mmbench/mmbench_dev_mini.tsv").open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.fixture(scope="module")
def groups(rows: list[Row]) -> dict[int, list[Row]]:
    grouped: dict[int, list[Row]] = {}
    for row in rows:
        grouped.setdefault(int(row["index"]) % PASS, []).append(row)
    return grouped


def options(row: Row) -> list[str]:
    return [row[letter] for letter in "ABCD" if row[letter]]


def test_columns_and_sizes(rows: list[Row], groups: dict[int, list[Row]]) -> None:
    assert list(rows[0]) == [
        "index", "question", "hint", "A", "B", "C", "D", "answer", "category", "image", "source", "l2-category",
        "comment", "split",
    ]  # fmt: skip
    assert len(groups) == 200
    assert 600 <= len(rows) <= 750
    assert {len(group) for group in groups.values()} == {2, 3, 4}
    assert {row["hint"] != "" for row in rows} == {True, False}


def test_every_option_stands_once_at_every_letter(groups: dict[int, list[Row]]) -> None:
    for index, group in groups.items():
        texts = options(group[0])
        assert len(set(texts)) == len(texts) == len(group)
        assert [int(row["index"]) for row in group] == [index + k * PASS for k in range(len(texts))]
        assert all(options(row) == texts[k:] + texts[:k] for k, row in enumerate(group))
        assert len({row["answer"] for row in group}) == len(group)
        assert len({row[row["answer"]] for row in group}) == 1
        assert len({(row["question"], row["hint"], row["category"], row["l2-category"]) for row in group}) == 1


def test_pictures_are_in_the_first_pass_and_named_by_the_others(groups: dict[int, list[Row]]) -> None:
    for index, (first, *others) in groups.items():
        with Image.open(io.BytesIO(base64.b64decode(first["image"], validate=True))) as image:
            assert image.size == (72, 72)
        assert all(row["image"] == str(index) for row in others)
    assert len({group[0]["image"] for group in groups.values()}) == 100


def test_answers_are_true(groups: dict[int, list[Row]]) -> None:
    scenes = evaluation_splits().mmbench
    for index, (first, *_) in groups.items():
        graph = scene_graph(scenes[(index - 1) // 2])
        assert answer(first["question"], graph) == first[first["answer"]]


def test_no_letter_dominates(groups: dict[int, list[Row]]) -> None:
    letters = Counter(group[0]["answer"] for group in groups.values())
    assert max(letters.values()) / len(groups) < 0.45
