"""The demo, as typed: three rows, and a model that looks at the picture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TASKS = ("coco_caption", "gqa", "mmbench", "pope", "scienceqa", "vqav2")
LARGE_GAP = ("vqav2", "gqa", "pope", "mmbench")
"""Tasks that cannot be guessed: 15 points and more lie between the model and its floors."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


def demo(folder: Path) -> str:
    command = [str(Path(sys.executable).with_name("sqeval")), "demo"]
    environment = os.environ | {"COLUMNS": "120", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def shown(folder: Path) -> str:
    return demo(folder)


def primary(folder: Path, run: str, task: str) -> dict[str, Any]:
    result = json.loads((folder / "results" / "demo" / run / task / "metrics.json").read_text("utf-8"))
    found: dict[str, Any] = result["metrics"][result["primary"]]
    return found


def test_shows_the_model_above_its_floors_and_what_to_type_next(shown: str) -> None:
    places = [shown.index(f"\n {name} ") for name in ("mini", "mini-blind", "majority")]
    assert places == sorted(places)
    assert shown.count("  sqeval ") == 3
    assert shown.rstrip().endswith("results/demo")


@pytest.mark.parametrize("floor", ["mini-blind", "majority"])
@pytest.mark.parametrize("task", TASKS)
def test_the_model_looks_at_the_picture(shown: str, folder: Path, task: str, floor: str) -> None:
    model, base = primary(folder, "mini", task), primary(folder, floor, task)
    assert model["ci95"][0] > base["ci95"][1]
    if task in LARGE_GAP:
        assert model["value"] - base["value"] >= 0.15


def test_the_suite_is_neither_solved_nor_out_of_reach(shown: str, folder: Path) -> None:
    assert 0.65 <= primary(folder, "mini", "vqav2")["value"] <= 0.95


def test_a_second_time_keeps_everything(shown: str, folder: Path) -> None:
    results = folder / "results" / "demo"
    before = {path: path.read_bytes() for path in results.glob("*/*/*.json*")}
    assert before
    demo(folder)
    assert {path: path.read_bytes() for path in results.glob("*/*/*.json*")} == before
