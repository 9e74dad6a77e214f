"""What `sqeval data check` finds, on small folders in POPE's official format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sqeval.data.check import check_task
from sqeval.data.root import DataRoot
from sqeval_tasks.pope import POPE

CATEGORIES = ("random", "popular", "adversarial")
NAMES = [f"COCO_val2014_{i:012d}.jpg" for i in range(1, 4)]


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """Three images with a question each, in every category."""
    for name in NAMES:
        path = tmp_path / "coco" / "val2014" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (200, 10, 10)).save(path)
    for category in CATEGORIES:
        write(tmp_path, category, [question(i, name) for i, name in enumerate(NAMES, 1)])
    return DataRoot(tmp_path, "here")


def question(number: int, image: str, **changed: Any) -> dict[str, Any]:
    return {"question_id": number, "image": image, "text": "Is there a cat?", "label": "no"} | changed


def write(folder: Path, category: str, lines: list[dict[str, Any]]) -> None:
    path = folder / "pope" / f"coco_pope_{category}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def test_a_whole_folder_is_ready(root: DataRoot) -> None:
    left: list[int] = []
    found = check_task(POPE(), root, decode=True, progress=left.append)
    assert found.ready
    assert (found.samples, found.images, found.bad_images) == (9, 3, ())
    assert left == [2, 1, 0]


def test_missing_files_are_all_listed_with_their_source(root: DataRoot) -> None:
    for category in ("random", "popular"):
        (root.path / "pope" / f"coco_pope_{category}.json").unlink()
    found = check_task(POPE(), root)
    assert not found.ready
    assert [wanted.path for wanted in found.missing] == ["pope/coco_pope_random.json", "pope/coco_pope_popular.json"]
    assert all(wanted.source for wanted in found.missing)


def test_a_malformed_record_is_one_line_with_its_place(root: DataRoot) -> None:
    write(root.path, "popular", [question(1, NAMES[0]), question(2, NAMES[1], label="maybe")])
    found = check_task(POPE(), root)
    assert not found.ready
    assert found.problem is not None
    assert "coco_pope_popular.json:2: label:" in found.problem
    assert "\n" not in found.problem


def test_a_missing_image_is_named(root: DataRoot) -> None:
    (root.path / "coco" / "val2014" / NAMES[1]).unlink()
    found = check_task(POPE(), root)
    assert not found.ready
    assert [(bad.key, bad.problem) for bad in found.bad_images] == [(f"coco/val2014/{NAMES[1]}", "missing")]


def test_a_text_file_is_no_image(root: DataRoot) -> None:
    (root.path / "coco" / "val2014" / NAMES[0]).write_text("not an image", "utf-8")
    (bad,) = check_task(POPE(), root).bad_images
    assert bad.key.endswith(NAMES[0])


def test_a_truncated_image_is_found_by_decoding_alone(root: DataRoot) -> None:
    path = root.path / "coco" / "val2014" / NAMES[2]
    Image.effect_noise((64, 64), 90).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:-200])
    assert check_task(POPE(), root).ready
    assert [bad.key for bad in check_task(POPE(), root, decode=True).bad_images] == [f"coco/val2014/{NAMES[2]}"]


def test_empty_files_are_not_ready(root: DataRoot) -> None:
    for category in CATEGORIES:
        write(root.path, category, [])
    assert not check_task(POPE(), root).ready
