"""The demo, as typed: three rows on six benchmarks, what to type next, and nothing done twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


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


def test_shows_the_model_above_its_floors_and_what_to_type_next(shown: str) -> None:
    model, *floors = (shown.index(f"\n {name} ") for name in ("mini", "mini-blind", "majority"))
    assert model < shown.index("\n floors ") < min(floors)
    assert shown.count("  sqeval ") == 3
    assert shown.rstrip().endswith("results/demo")


def test_a_second_time_keeps_everything(shown: str, folder: Path) -> None:
    results = folder / "results" / "demo"
    before = {path: path.read_bytes() for path in results.glob("*/*/*.json*")}
    assert before
    demo(folder)
    assert {path: path.read_bytes() for path in results.glob("*/*/*.json*")} == before
