"""The pipelines in docs/ci are well formed, and what they run works, on few questions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "ci"
FEW = {"TASKS": "gqa", "LIMIT": "20"}


def read(name: str) -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load((EXAMPLES / name).read_text("utf-8"))
    return value


def github() -> tuple[dict[str, str], list[str]]:
    [job] = read("sqeval.yml")["jobs"].values()
    return job["env"], [step["run"] for step in job["steps"] if "run" in step]


def gitlab() -> tuple[dict[str, str], list[str]]:
    job = read("gitlab-ci.yml")["sqeval"]
    assert job["artifacts"]["reports"]["junit"] == "compare.xml"
    return job["variables"], job["script"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a committed baseline, made as docs/regression-gate.md says."""
    folder = tmp_path_factory.mktemp("repository")
    shell(folder, f"sqeval run --tasks {FEW['TASKS']} --ckpt mini --data mini --limit {FEW['LIMIT']} --name main", {})
    shell(folder, "sqeval baseline results/main", {})
    return folder


def shell(folder: Path, line: str, environment: dict[str, str]) -> int:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"HF_HUB_OFFLINE": "1", "PATH": path} | environment
    done = subprocess.run(["bash", "-e", "-c", line], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode


def test_the_pipelines_pass_where_nothing_changed(repository: Path) -> None:
    summary = repository / "summary.md"
    environment, lines = github()
    evaluate, compare = (line for line in lines if line.startswith("sqeval"))
    for line in (evaluate, compare):
        assert shell(repository, line, environment | FEW | {"GITHUB_STEP_SUMMARY": str(summary)}) == 0
    assert "gqa accuracy" in summary.read_text("utf-8")
    environment, lines = gitlab()
    same, compare = (line for line in lines if line.startswith("sqeval"))
    assert same == evaluate
    (repository / "compare.xml").unlink()
    assert shell(repository, compare, environment | FEW) == 0
    [case] = ET.parse(repository / "compare.xml").getroot().iter("testcase")
    assert case.get("name") == "gqa accuracy"
    assert "gqa accuracy" in (repository / "compare.md").read_text("utf-8")
