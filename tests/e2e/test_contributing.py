"""The task in CONTRIBUTING.md is complete: installed as another package it is listed, shown, checked and run; and so is
the protocol of it in docs/protocols.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
KINDS = ("cup", "spoon")


@pytest.fixture(scope="module")
def page() -> str:
    return (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")


@pytest.fixture(scope="module")
def packages(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with the page's code and entry point, laid out as an installer would."""
    site = tmp_path_factory.mktemp("site")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    entry = re.search(r'```toml\n\[project\.entry-points\."sqeval\.tasks"\]\n(\w+) = "([^"]+)"', page)
    assert code is not None
    assert entry is not None
    (site / "your_package").mkdir()
    (site / "your_package" / "counting.py").write_text(code.group(1), "utf-8")
    info = site / "your_package-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: your-package\nVersion: 1\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[sqeval.tasks]\n{entry.group(1)} = {entry.group(2)}\n", "utf-8")
    add_protocol(site, info / "entry_points.txt")
    return site


def add_protocol(site: Path, points: Path) -> None:
    """The code and the entry point of docs/protocols.md."""
    page = (REPOSITORY / "docs" / "protocols.md").read_text("utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    entry = re.search(r'```toml\n\[project\.entry-points\."(sqeval\.tasks\.\w+)"\]\n(\w+) = "([^"]+)"', page)
    assert code is not None
    assert entry is not None
    imports = "from sqeval.task import Sample, Score\nfrom your_package.counting import Counting\n"
    (site / "your_package" / "strict.py").write_text(imports + code.group(1), "utf-8")
    points.write_text(f"{points.read_text('utf-8')}[{entry.group(1)}]\n{entry.group(2)} = {entry.group(3)}\n", "utf-8")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    images = root / "counting" / "images"
    images.mkdir(parents=True)
    lines = []
    for i in range(6):
        Image.new("RGB", (32, 24), (40 * i, 90, 10)).save(images / f"{i}.png")
        for kind in KINDS:
            question = {"id": f"{kind}-{i}", "image": f"{i}.png", "kind": kind, "question": f"How many {kind}s?"}
            lines.append(json.dumps(question | {"count": 2 if i < 4 else i}))
    (root / "counting" / "questions.jsonl").write_text("\n".join(lines), "utf-8")
    return root


def sqeval(packages: Path, folder: Path, *arguments: str, code: int = 0) -> str:
    path = os.pathsep.join(filter(None, [str(packages), os.environ.get("PYTHONPATH", "")]))
    environment = os.environ | {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
    command = [sys.executable, "-c", "from sqeval.cli.app import main; main()", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_is_about_sixty_lines(page: str) -> None:
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    assert len(code.group(1).splitlines()) <= 65


@pytest.mark.slow
def test_is_typed(packages: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "your_package/counting.py", "--config-file", ""]
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_is_listed_shown_and_checked(packages: Path, data: Path, tmp_path: Path) -> None:
    assert "counting" in sqeval(packages, tmp_path, "tasks", "list")
    shown = sqeval(packages, tmp_path, "tasks", "show", "counting", "--data", str(data))
    assert "How many cups?" in shown
    assert "12 questions about 6 images" in shown
    sqeval(packages, tmp_path, "data", "check", str(data), "--tasks", "counting")


def test_runs(packages: Path, data: Path, tmp_path: Path) -> None:
    """The majority answer, 2, is right for 8 of 12."""
    run = ("run", "--tasks", "counting", "--model", "majority", "--data", str(data), "--name", "floor")
    sqeval(packages, tmp_path, *run)
    metrics = json.loads((tmp_path / "results" / "floor" / "counting" / "metrics.json").read_text("utf-8"))
    assert metrics["metrics"]["accuracy"]["value"] == pytest.approx(8 / 12)
    assert metrics["metrics"]["accuracy"]["clusters"] == 6
    assert metrics["metrics"]["accuracy/kind=cup"]["n"] == 6


def test_another_protocol_of_it(packages: Path, data: Path, tmp_path: Path) -> None:
    shown = sqeval(packages, tmp_path, "tasks", "show", "counting", "--data", str(data))
    assert "protocol strict" in shown
    assert "the response has to be a number and nothing else" in shown
    run = ("run", "--tasks", "all", "--model", "majority", "--data", str(data), "--protocol", "strict")
    assert "protocol strict: not comparable with official scores" in sqeval(packages, tmp_path, *run)
    folder = tmp_path / "results" / f"majority-{data.name}-strict"
    metrics = json.loads((folder / "counting" / "metrics.json").read_text("utf-8"))
    assert (metrics["protocol"], metrics["metrics"]["accuracy"]["value"]) == ("strict", pytest.approx(8 / 12))


def test_bad_records_are_one_message(packages: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "counting"
    folder.mkdir()
    (folder / "images").symlink_to(data / "counting" / "images")
    (folder / "questions.jsonl").write_text('{"id": "a", "image": "0.png", "kind": "cup", "question": 3}', "utf-8")
    run = ("run", "--tasks", "counting", "--model", "majority", "--data", str(tmp_path), "--name", "floor")
    message = sqeval(packages, tmp_path, *run, code=2)
    assert "questions.jsonl:1: question: expected a string, found 3" in message
