"""docs/run-folder.md names the fields that the files have, all of them and no others."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from PIL import Image

from sqeval import errors
from sqeval.config import resolve
from sqeval.evaluation import evaluate
from sqeval.model import Share, Work
from sqeval.records import Record
from sqeval.runner import counts
from sqeval.throughput import difference

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "run-folder.md").read_text("utf-8")


def documented(heading: str) -> set[str]:
    """Names in the first column of the table under a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "coco" / "val2014").mkdir(parents=True)
    (root / "pope").mkdir()
    Image.new("RGB", (8, 8)).save(root / "coco" / "val2014" / "COCO_val2014_000000000001.png")
    line = {"question_id": 1, "image": "COCO_val2014_000000000001.jpg", "text": "Is there a cat?", "label": "no"}
    for category in ("random", "popular", "adversarial"):
        (root / "pope" / f"coco_pope_{category}.json").write_text(json.dumps(line), "utf-8")
    out = tmp_path_factory.mktemp("out")
    given = {"tasks": "pope", "model": "majority", "data": str(root), "out": str(out)}
    return evaluate(resolve(given)).folder


def test_samples(folder: Path) -> None:
    line = (folder / "pope" / "samples.jsonl").read_text("utf-8").splitlines()[0]
    assert documented("samples.jsonl") == set(json.loads(line)) == set(Record.__struct_fields__)


def test_metrics(folder: Path) -> None:
    assert documented("metrics.json") == set(json.loads((folder / "pope" / "metrics.json").read_text("utf-8")))
    assert set(counts([])) <= set(re.findall(r"`(\w+)`", PAGE))


def test_run(folder: Path) -> None:
    assert documented("run.json") == set(json.loads((folder / "run.json").read_text("utf-8")))


def test_throughput(folder: Path) -> None:
    nothing = Work(0, 0, 0, 0, 0.0, 1, True)
    rates = json.loads((folder / "run.json").read_text("utf-8"))["throughput"]
    assert documented("throughput") == set(rates) | set(difference(nothing, nothing, 1.0)) | {"workers"}
    assert {field.name for field in fields(Share)} <= set(re.findall(r"`(\w+)`", PAGE))


def test_exit_codes() -> None:
    known = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert known <= set(map(int, re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)))
