"""Run folders with a damaged file: every command that reads them ends as it should or says what is wrong."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from mangled import as_json, mangled, with_odd_value
from typer.testing import CliRunner

from sqeval.baseline import store
from sqeval.cli.app import app
from sqeval.config import resolve
from sqeval.evaluation import evaluate
from sqeval.runs import load_run

TRIES = 10


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "results"
    for name, model in (("a", "majority"), ("b", "random")):
        given = {"tasks": "pope,vqav2", "model": model, "data": "mini", "limit": 8, "out": str(out), "name": name}
        evaluate(resolve(given))
    store(load_run(out / "a"), out / "baselines", "c")
    return out


def commands(out: Path, work: Path) -> list[list[str]]:
    a, b, c = str(out / "a"), str(out / "b"), str(out / "baselines" / "c")
    told = ["--json", str(work / "a.json"), "--markdown", str(work / "a.md"), "--junit", str(work / "a.xml")]
    again = ["--tasks", "pope,vqav2", "--model", "majority", "--data", "mini", "--limit", "8"]
    return [
        ["compare", a, b, *told],
        ["compare", c, b],
        ["leaderboard", str(out)],
        ["leaderboard", str(out), "--format", "json", "--sort", "pope"],
        ["report", a, "--baseline", c, "-o", str(work / "a.html")],
        ["score", "--predictions", a, "--out", str(work / "scored"), "--fresh"],
        ["run", *again, "--out", str(out), "--name", "a"],
    ]


@pytest.mark.parametrize("number", range(7))
def test_one_damaged_file(number: int, runs: Path, tmp_path: Path) -> None:
    files = sorted(path.relative_to(runs) for path in runs.rglob("*") if path.is_file())
    draw = random.Random(number)
    for attempt in range(TRIES):
        out = tmp_path / str(attempt)
        shutil.copytree(runs, out)
        file = draw.choice(files)
        (out / file).write_bytes(damaged(out / file, draw))
        result: Any = CliRunner().invoke(app, commands(out, tmp_path)[number])
        assert result.exit_code in (0, 2, 3, 4, 5), (number, attempt, file, result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit)


def damaged(path: Path, draw: random.Random) -> bytes:
    content = path.read_bytes()
    if path.suffix in (".json", ".jsonl") and draw.random() < 0.8:
        return as_json(lambda value: with_odd_value(value, draw), content, lines=path.suffix == ".jsonl")
    return mangled(content, draw)
