"""What `sqeval data check` finds, on small folders in POPE's official format."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from sqeval.cli.app import app
from sqeval.data.check import check_task, official_size
from sqeval.data.intact import FEW
from sqeval.data.root import DataRoot
from sqeval.registry import get_task
from sqeval.task import Size
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
    opened: list[tuple[int, int]] = []
    found = check_task(POPE(), root, decode=True, progress=lambda done, of: opened.append((done, of)))
    assert found.ready
    assert (found.samples, found.images, found.bad_images) == (9, 3, ())
    assert opened == [(1, 3), (2, 3), (3, 3)]


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
    assert [image.key for image in found.missing_images] == [f"coco/val2014/{NAMES[1]}"]
    assert found.bad_images == ()


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


def test_many_images_are_decoded_by_several_processes_in_order(root: DataRoot) -> None:
    names = [f"COCO_val2014_{i:012d}.jpg" for i in range(1, FEW + 40)]
    for name in names:
        Image.effect_noise((32, 32), 90).convert("RGB").save(root.path / "coco" / "val2014" / name)
    for category in CATEGORIES:
        write(root.path, category, [question(i, name) for i, name in enumerate(names, 1)])
    broken, gone = names[3], names[70]
    path = root.path / "coco" / "val2014" / broken
    path.write_bytes(path.read_bytes()[:-100])
    (root.path / "coco" / "val2014" / gone).unlink()
    found = check_task(POPE(), root, decode=True)
    assert [bad.key for bad in found.bad_images] == [f"coco/val2014/{broken}"]
    assert [image.key for image in found.missing_images] == [f"coco/val2014/{gone}"]


@pytest.mark.parametrize(
    ("name", "version", "samples", "size"),
    [
        ("vqav2", "val", 214_354, Size(214_354, 40_504)),
        ("vqav2", "test-dev (no score: the answers are not public)", 5, Size(107_394, None)),
        ("gqa", None, 998, Size(12_578, 398)),
        ("pope", None, 30, Size(8_910, 500)),  # an unnamed part may be one of the smaller version
        ("pope", "3,000 random questions (current)", 9_000, Size(9_000, 500)),
        ("mmbench", "mmbench_dev_20230712.tsv (dev 20230712: 1,176 questions, LLaVA's tables)", 4_377, Size(4_377)),
        ("mmbench", "mine.tsv", 10, None),
        ("textvqa", "val, with OCR tokens", 5_000, Size(5_000, 3_166)),
        ("coco_caption", "val2014", 40_504, Size(40_504, 40_504)),
    ],
)
def test_official_sizes(name: str, version: str | None, samples: int, size: Size | None) -> None:
    assert official_size(get_task(name), version, samples) == size


def check(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["data", "check", *map(str, arguments)], env={"COLUMNS": "160"})


def test_the_table_sets_what_is_there_beside_the_official_size(root: DataRoot) -> None:
    done = check(root.path, "--tasks", "pope")
    assert done.exit_code == 0, done.output
    assert re.search(r"pope +ready, a subset +9 of 8,910 +3 of 500", done.stdout)


def test_a_broken_benchmark_fails_the_check_though_nobody_named_it(root: DataRoot) -> None:
    (root.path / "vizwiz" / "val").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(root.path / "vizwiz" / "val" / "another.jpg")
    records = [
        {"image": f"VizWiz_val_{i:08d}.jpg", "question": "?", "answers": [{"answer": "a"}], "answer_type": "other"}
        for i in range(7)
    ]
    (root.path / "vizwiz" / "val.json").write_text(json.dumps(records), "utf-8")
    done = check(root.path)
    assert done.exit_code == 2
    assert "vizwiz: missing are 7 of 7 images: " in done.stdout
    assert "VizWiz_val_00000004.jpg, ...\n" in done.stdout
    assert "VizWiz_val_00000005.jpg" not in done.stdout
    assert check(root.path, "--tasks", "pope").exit_code == 0
    assert check(root.path, "--tasks", "pope,vizwiz").exit_code == 2
    assert check(root.path, "--tasks", "pope,gqa").exit_code == 2


def test_json_says_the_same(root: DataRoot) -> None:
    (root.path / "coco" / "val2014" / NAMES[1]).unlink()
    done = check(root.path, "--tasks", "pope", "--json")
    assert done.exit_code == 2
    told = json.loads(done.stdout)
    [pope] = told["tasks"]
    assert (told["good"], pope["state"], pope["questions"], pope["images"]) == (False, "broken", 9, 3)
    assert pope["official"] == {"questions": 8_910, "images": 500}
    assert pope["missing_images"] == {"count": 1, "first": [f"coco/val2014/{NAMES[1]}"]}


def test_images_elsewhere_and_a_chosen_split(root: DataRoot, tmp_path: Path) -> None:
    (root.path / "coco").rename(tmp_path / "elsewhere")
    assert check(root.path, "--tasks", "pope").exit_code == 2
    assert check(root.path, "--tasks", "pope", "--images", tmp_path / "elsewhere" / "val2014").exit_code == 0
    assert "has no split 'x'" in check(root.path, "--tasks", "vqav2", "--split", "x").stderr
