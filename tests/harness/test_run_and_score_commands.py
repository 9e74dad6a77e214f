"""`sqeval run` and `sqeval score` as they are typed: output, files and exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from shades import Looker, environment
from typer.testing import CliRunner

from sqeval.cli.app import app
from sqeval.config import RunConfig
from sqeval.evaluation import evaluate


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SQEVAL_DATA", raising=False)


def sqeval(*arguments: object, code: int = 0) -> Any:
    result: Any = CliRunner().invoke(app, [str(a) for a in arguments], prog_name="sqeval")
    assert result.exit_code == code, (result.exception, result.output)
    return result


@pytest.fixture
def answered(data: Path, tmp_path: Path) -> Path:
    """A run folder with three errored samples."""
    (data / "shades" / "images" / "3.png").write_bytes(b"")
    config = RunConfig(tasks=("shades",), data=str(data), out=str(tmp_path / "runs"), name="looked", limit=9)
    assert evaluate(config, model=Looker()).errored in (0, 3)
    full = config.model_copy(update={"limit": None, "name": "all"})
    assert evaluate(full, model=Looker()).errored == 3
    return full.folder


def test_a_run_prints_its_table_and_its_folder_last(data: Path, tmp_path: Path) -> None:
    first = sqeval("run", "--tasks", "shades", "--model", "majority", "--data", data)
    assert first.stdout.splitlines()[-1] == "results/majority-data"
    assert "accuracy" in first.stdout
    assert "shades: 25 questions answered" in first.stderr
    assert "25 questions in" in first.stderr.splitlines()[-1]
    metrics = json.loads(Path("results/majority-data/shades/metrics.json").read_bytes())
    assert f"{100 * metrics['metrics']['accuracy']['value']:.1f}" in first.stdout
    again = sqeval("run", "--tasks", "shades", "--model", "majority", "--data", data)
    assert again.stdout == first.stdout
    assert "--fresh" in again.stderr


def test_a_configuration_file_and_a_flag_over_it(data: Path) -> None:
    Path("c.yaml").write_text(f"tasks: [shades]\ndata: {data}\nmodel: random\nname: x\nlimit: 6\n", "utf-8")
    sqeval("run", "--config", "c.yaml", "--seed", 3)
    run = json.loads(Path("results/x/run.json").read_bytes())
    assert run["config"]["limit"] == 6
    assert run["config"]["seed"] == 3
    assert run["config"]["model"] == "random"


def test_the_data_may_come_from_the_environment(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQEVAL_DATA", str(data))
    sqeval("run", "--tasks", "shades", "--model", "majority")
    assert Path("results/majority-data/run.json").is_file()


def test_errors_end_in_5_unless_they_are_tolerated(answered: Path) -> None:
    result = sqeval("score", "--predictions", answered, "--name", "strict", code=5)
    assert "3 samples errored" in result.stderr
    assert "shades: 0-3.png: shades/images/3.png: " in result.stderr
    assert "3 errored" in result.stdout
    assert result.stdout.splitlines()[-1] == "results/strict"
    sqeval("score", "--predictions", answered, "--name", "strict", "--max-errors", 2, code=5)
    sqeval("score", "--predictions", answered, "--name", "strict", "--max-errors", 3)


def test_a_run_is_scored_again_with_its_own_settings(answered: Path) -> None:
    limited = answered.parent / "looked"
    sqeval("score", "--predictions", limited, "--max-errors", 3)
    again = Path("results/looked-rescored/shades/metrics.json").read_bytes()
    assert again == (limited / "shades" / "metrics.json").read_bytes()
    samples = limited / "shades" / "samples.jsonl"
    sqeval("score", "--predictions", samples, "--max-errors", 3, "--name", "from-samples")
    assert Path("results/from-samples/shades/metrics.json").read_bytes() == again


def test_predictions_need_a_task_and_data(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"question_id": "text", "text": "no"}\n', "utf-8")
    assert "--task" in sqeval("score", "--predictions", path, code=2).stderr
    assert "--data" in sqeval("score", "--predictions", path, "--task", "shades", code=2).stderr
    message = sqeval("score", "--predictions", path, "--task", "shades", "--data", data, code=2).stderr
    assert "24 samples without a prediction" in message
    assert not Path("results/answers-data").exists()


@pytest.mark.parametrize("text", ['{"config": {}}', "[]", "{"])
def test_a_broken_run_cannot_be_scored_again(text: str) -> None:
    Path("broken").mkdir()
    Path("broken/run.json").write_text(text, "utf-8")
    assert "run.json" in sqeval("score", "--predictions", "broken", code=2).stderr


def test_a_secret_reaches_no_file(data: Path) -> None:
    arguments = ["--tasks", "shades", "--model", "majority", "--data", str(data), "--model-args", "api_key=SECRETVALUE"]
    result = sqeval("run", *arguments, code=2)
    assert "SECRETVALUE" not in result.output
    written = [path for path in Path().rglob("*") if path.is_file() and path.suffix in (".json", ".jsonl")]
    assert not [path for path in written if b"SECRETVALUE" in path.read_bytes()]


def test_bars_go_to_the_terminal_and_results_to_stdout(data: Path, site: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from sqeval.cli.app import main; main()", "run"]
    command += ["--tasks", "shades,tints", "--model", "majority", "--data", str(data)]
    where = environment(site)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env=where, text=True, check=True)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"shades .*25/25 .*\r?\n.*tints .*25/25 ", seen)  # one above the other
    assert re.search(r"50 questions in [\d.]+ s \([\d,]+/s\)", seen)
    assert "left" in shown
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[-1] == "results/majority-data"
