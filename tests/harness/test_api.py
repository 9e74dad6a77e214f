"""`import sqeval`: runs, scores and comparisons from Python are those of the commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import sqeval
from sqeval.api import RuleFlags, RunFlags
from sqeval.cli.app import app
from sqeval.comparison import Rules
from sqeval.config import RunConfig
from sqeval.model import Completion, Group, Identity

HOSTILE = "<script>alert(1)</script>[bold]"


class Yes:
    """Says yes; `fails`: to nothing but the first question."""

    def __init__(self, name: str = "yes", fails: bool = False) -> None:
        self.identity, self.fails = Identity(name, "yes"), fails

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        requests = [request for group in groups for request in group.requests]
        for number, request in enumerate(requests):
            error = "the line was cut" if self.fails and number else None
            yield Completion(request.task, request.id, "" if error else "yes", error=error)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api") / "results"


@pytest.fixture(scope="module")
def floor(results: Path) -> sqeval.Run:
    return sqeval.run(["pope", "gqa"], model="majority", data="mini", limit=40, name="floor", out=results)


@pytest.fixture(scope="module")
def guess(results: Path) -> sqeval.Run:
    return sqeval.run("pope,gqa", model="random", data="mini", limit=40, name="guess", out=results)


def typed(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments], prog_name="sqeval")


def test_importing_it_costs_nothing() -> None:
    told = "import sys, sqeval; print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'pandas', 'numpy'}))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_name_is_there() -> None:
    assert all(getattr(sqeval, name) is not None for name in sqeval.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sqeval.nothing


def test_flags_are_those_of_the_configuration() -> None:
    named = {"tasks", "ckpt", "model", "data"}
    assert set(RunFlags.__annotations__) | named == set(RunConfig.model_fields)
    assert set(RuleFlags.__annotations__) == set(Rules.__dataclass_fields__)


def test_a_run_is_the_command_s(floor: sqeval.Run, results: Path) -> None:
    arguments = ("run", "--tasks", "pope,gqa", "--model", "majority", "--data", "mini", "--limit", 40)
    assert typed(*arguments, "--out", results, "--name", "typed").exit_code == 0
    for task in ("pope", "gqa"):
        theirs = (results / "typed" / task / "metrics.json").read_bytes()
        assert (floor.path / task / "metrics.json").read_bytes() == theirs
    assert floor.info["command"].startswith("sqeval.run(tasks=['pope', 'gqa'], ")


def test_metrics_are_those_of_the_files(floor: sqeval.Run) -> None:
    table = floor.metrics
    assert list(table.columns) == ["task", "metric", "value", "stderr", "low", "high", "n", "clusters"]
    assert not floor.tasks["gqa"].metrics.empty
    for task in ("pope", "gqa"):
        known = json.loads((floor.path / task / "metrics.json").read_text("utf-8"))
        rows = table[table["task"] == task]
        assert rows["metric"].iloc[0] == known["primary"]
        assert dict(zip(rows["metric"], rows["value"], strict=True)) == {
            name: found["value"] for name, found in known["metrics"].items()
        }


def test_samples_give_the_metrics(floor: sqeval.Run) -> None:
    samples = floor.samples
    assert len(samples) == sum(len(task.records) for task in floor.tasks.values())
    gqa = floor.tasks["gqa"].samples
    accuracy = floor.metrics.query("task == 'gqa' and metric == 'accuracy'")["value"].item()
    assert np.isclose(gqa["score:accuracy"].mean(), accuracy)
    assert set(gqa["id"]) == set(samples[samples["task"] == "gqa"]["id"])


def test_a_score_is_the_command_s(floor: sqeval.Run, results: Path) -> None:
    again = sqeval.score(floor.path, out=results, name="again")
    assert typed("score", "--predictions", floor.path, "--out", results, "--name", "typed-again").exit_code == 0
    for task in ("pope", "gqa"):
        theirs = (results / "typed-again" / task / "metrics.json").read_bytes()
        assert (again.path / task / "metrics.json").read_bytes() == theirs


def test_a_comparison_is_the_command_s(floor: sqeval.Run, guess: sqeval.Run, tmp_path: Path) -> None:
    found = sqeval.compare([floor, guess], margin=3.0)
    done = typed("compare", floor.path, guess.path, "--margin", 3.0, "--json", tmp_path / "c.json")
    assert done.exit_code == found.exit_code
    assert json.loads((tmp_path / "c.json").read_text("utf-8")) == json.loads(json.dumps(found.to_json()))
    primary = found.table.query("primary").set_index("task")
    for task in found.comparisons[0].tasks:
        assert task.difference is not None
        assert primary.loc[task.task, "difference"] == task.difference.value
        assert primary.loc[task.task, "verdict"] == task.verdict
    assert found.verdict in set(primary["verdict"])


def test_the_baseline_may_be_a_run(floor: sqeval.Run, guess: sqeval.Run) -> None:
    (one,) = sqeval.compare(guess, baseline=floor).comparisons
    assert (one.baseline.name, one.candidate.name) == ("floor", "guess")


def test_a_model_of_one_s_own(tmp_path: Path) -> None:
    run = sqeval.run("pope", model=Yes(), data="mini", limit=20, out=tmp_path)
    assert run.samples["response"].unique().tolist() == ["yes"]
    assert run.name.startswith("yes-mini")


def test_failures_are_exceptions(tmp_path: Path, floor: sqeval.Run) -> None:
    with pytest.raises(sqeval.UserError, match="did you mean 'pope'"):
        sqeval.run("pop", model="majority", data="mini", out=tmp_path)
    with pytest.raises(sqeval.UserError, match="nowhere"):
        sqeval.load_run("nowhere")
    with pytest.raises(sqeval.UserError, match="nowhere"):
        sqeval.leaderboard("nowhere")
    with pytest.raises(sqeval.UserError, match="leave it out"):
        sqeval.run("pope", model=Yes(), ckpt="mini", data="mini", out=tmp_path)
    with pytest.raises(sqeval.UserError, match="--limit: "):
        sqeval.run("pope", model="majority", data="mini", limit=0, out=tmp_path)
    with pytest.raises(sqeval.IncompleteError, match=r"broken.*samples errored"):
        sqeval.run("pope", model=Yes("broken", fails=True), data="mini", limit=20, out=tmp_path, name="broken")
    kept = sqeval.load_run(tmp_path / "broken")
    assert kept.samples["error"].notna().sum() == len(kept.samples) - 1


def test_nothing_is_printed_unless_asked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sqeval.run("pope", model="majority", data="mini", limit=20, out=tmp_path)
    assert capfd.readouterr() == ("", "")
    sqeval.run("pope", model="majority", data="mini", limit=20, out=tmp_path, fresh=True, progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "pope: " in shown.err


def test_secrets_are_not_recorded(tmp_path: Path) -> None:
    run = sqeval.run(
        "pope", model=Yes(), data="mini", limit=20, out=tmp_path, model_args={"api_key": "0123456789abcdef"}
    )
    assert "0123456789abcdef" not in (run.path / "run.json").read_text("utf-8")


def test_a_leaderboard_is_the_command_s(floor: sqeval.Run, guess: sqeval.Run) -> None:
    board = sqeval.leaderboard(floor.path.parent)
    done = typed("leaderboard", floor.path.parent, "--format", "json")
    assert json.loads(done.stdout) == json.loads(json.dumps(board.to_json()))
    assert {"floor", "guess"} <= set(board.table["run"])


def test_they_show_what_the_screen_shows(floor: sqeval.Run, guess: sqeval.Run) -> None:
    assert repr(floor).startswith("<Run floor: pope f1_mean ")
    comparison, board = sqeval.compare([floor, guess]), sqeval.leaderboard(floor.path.parent)
    assert repr(comparison).startswith(f"<Comparison {comparison.verdict}: guess against floor: ")
    assert "floor" in repr(board)
    screen = typed("compare", floor.path, guess.path).stdout
    words = set(screen.split())
    assert words <= set(str(comparison).split()) | {"In", "all:"}
    for shown in (floor, comparison, board):
        assert shown._repr_html_().startswith("<pre")
        assert "95 %" in str(shown)


def test_notebooks_get_escaped_text(tmp_path: Path) -> None:
    run = sqeval.run("pope", model=Yes(HOSTILE), data="mini", limit=20, out=tmp_path, name="hostile")
    file = run.path / "run.json"
    file.write_text(file.read_text("utf-8").replace('"hostile"', json.dumps(HOSTILE)), "utf-8")
    other = sqeval.run("pope", model="random", data="mini", limit=20, out=tmp_path, name="other")
    shown = sqeval.compare([sqeval.load_run(file.parent), other])
    assert HOSTILE in str(shown)
    assert "<script" not in shown._repr_html_()
    assert "&lt;script&gt;" in shown._repr_html_()
