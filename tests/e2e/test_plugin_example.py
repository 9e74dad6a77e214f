"""The package in docs/examples/plugin, installed as any other: its README's commands run, and give what it says."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "plugin"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, with an empty folder `site` to install it into."""
    copy = Path(shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("example") / "plugin"))
    target = ("--target", "site", "--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "install", *target, "."]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(copy / "sqeval_halves")  # what runs is what was installed
    return copy


def run(folder: Path, line: str) -> str:
    path = os.pathsep.join(filter(None, [str(folder / "site"), os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-c", "from sqeval.cli.app import main; main()", *shlex.split(line)[1:]]
    environment = os.environ | {"PYTHONPATH": path, "COLUMNS": "200"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def accuracy(folder: Path, name: str) -> float:
    path = folder / "results" / name / "halves" / "metrics.json"
    return float(json.loads(path.read_text("utf-8"))["metrics"]["accuracy"]["value"])


def test_the_readme_s_commands_run_and_give_what_it_says(folder: Path) -> None:
    text = (folder / "README.md").read_text("utf-8")
    lines = [line for line in re.findall(r"^\$ (.*)$", text, re.MULTILINE) if line.startswith("sqeval ")]
    assert len(lines) == 5
    outputs = [run(folder, line) for line in lines]
    assert "12 questions about 6 images" in outputs[0]
    assert "right about all twelve questions; with the red channel alone it is right about eight" in text
    assert accuracy(folder, "lightmeter-data") == 1
    assert accuracy(folder, "red") == pytest.approx(8 / 12)
    assert accuracy(folder, "majority-data") == pytest.approx(4 / 12)


def test_it_is_listed_with_its_package(folder: Path) -> None:
    (row,) = [line for line in run(folder, "sqeval models list").splitlines() if line.split()[0] == "lightmeter"]
    assert "measures light" in row
    assert row.rstrip().endswith("sqeval-halves 1.0")
    assert "halves" in run(folder, "sqeval tasks list")


def test_it_is_short() -> None:
    assert len((EXAMPLE / "sqeval_halves" / "task.py").read_text("utf-8").splitlines()) <= 65
    assert len((EXAMPLE / "sqeval_halves" / "model.py").read_text("utf-8").splitlines()) <= 50


@pytest.mark.slow
def test_it_is_typed(folder: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "site/sqeval_halves"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
