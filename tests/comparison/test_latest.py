"""At its end a run tells, in a line a task, how it compares with the newest comparable one beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from small_runs import HASHES, answers, make_run, spoiled, truths
from typer.testing import CliRunner

from sqeval.cli.app import app
from sqeval.latest import beside

RIGHT = truths(600)


def test_the_newest_comparable_run_is_chosen(tmp_path: Path) -> None:
    rows = {"colours": answers(RIGHT)}
    make_run(tmp_path / "old", rows, started="2026-01-01")
    make_run(tmp_path / "newer", rows, started="2026-01-02")
    make_run(tmp_path / "other", rows, started="2026-01-03", hashes={**HASHES, "data": "x"})
    make_run(tmp_path / "floor", rows, started="2026-01-04", sees_images=False)
    make_run(tmp_path / "dying", rows, started="2026-01-05", status="running")
    run = make_run(tmp_path / "run", {"colours": answers(spoiled(RIGHT, 0.2))}, started="2026-01-06")
    make_run(tmp_path / "later", rows, started="2026-01-07")
    [line] = beside(run.path)
    assert line.startswith("colours accuracy −")
    assert line.endswith("against newer: regression")


def test_nothing_is_said_without_one_or_of_damage(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", {"colours": answers(RIGHT)}, started="2026-01-02")
    assert beside(run.path) == []
    other = make_run(tmp_path / "other", {"colours": answers(RIGHT)}, started="2026-01-01")
    assert len(beside(run.path)) == 1
    (other.path / "colours" / "samples.jsonl").write_text("{")
    assert beside(run.path) == []
    (other.path / "run.json").write_text("{")
    assert beside(run.path) == []


def run(folder: Path, name: str, model: str) -> Any:
    arguments = ["run", "--tasks", "gqa", "--model", model, "--data", "mini", "--limit", "60", "--name", name]
    return CliRunner().invoke(app, [*arguments, "--out", str(folder)], prog_name="sqeval")


def test_the_command_prints_it_and_exits_as_ever(tmp_path: Path) -> None:
    first = run(tmp_path, "first", "majority")
    assert (first.exit_code, "against" in first.stdout) == (0, False)
    second = run(tmp_path, "second", "random")
    assert second.exit_code == 0
    assert "gqa accuracy −" in second.stdout
    assert "against first: " in second.stdout
    assert second.stdout.splitlines()[-1] == str(tmp_path / "second")
