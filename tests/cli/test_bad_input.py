"""Bad input of every kind ends in one message that helps, exit code 2, and no traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from sqeval.cli.app import app

CATEGORIES = ("random", "popular", "adversarial")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pope(tmp_path: Path) -> Path:
    """A data root with three questions about one image."""
    root = tmp_path / "root"
    (root / "coco" / "val2014").mkdir(parents=True)
    (root / "pope").mkdir()
    Image.new("RGB", (30, 20)).save(root / "coco" / "val2014" / "COCO_val2014_000000000001.jpg")
    line = {"question_id": 1, "image": "COCO_val2014_000000000001.jpg", "text": "Is there a cat?", "label": "no"}
    for category in CATEGORIES:
        (root / "pope" / f"coco_pope_{category}.json").write_text(json.dumps(line) + "\n", "utf-8")
    return root


def message(*arguments: object) -> str:
    """What the command says on stderr; checks that it is a refusal in a few words."""
    result: Any = CliRunner().invoke(app, [str(a) for a in arguments], prog_name="sqeval")
    assert result.exit_code == 2, (result.exception, result.output)
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert result.stderr.startswith("sqeval: ")
    return str(result.stderr)


def run(*arguments: object) -> str:
    return message("run", "--out", "results", *arguments)


def test_unknown_task_gets_the_nearest_name() -> None:
    assert "'pope'" in run("--tasks", "gqa,pop", "--ckpt", "mini", "--data", "mini")
    assert "'pope'" in message("tasks", "show", "pop")
    assert "'pope'" in message("data", "check", "mini", "--tasks", "pop")


def test_unknown_task_in_score(pope: Path) -> None:
    assert "'pope'" in message("score", "--task", "pop", "--data", pope, "--predictions", "a.jsonl", "--out", "o")


def test_missing_checkpoint(pope: Path) -> None:
    assert "no/such/place" in run("--tasks", "pope", "--ckpt", "no/such/place", "--data", pope)


def test_foreign_checkpoint(pope: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text(json.dumps({"model_type": "bert", "architectures": ["BertModel"]}), "utf-8")
    assert "bert" in run("--tasks", "pope", "--ckpt", foreign, "--data", pope)


def test_folder_that_is_no_checkpoint(pope: Path) -> None:
    assert str(pope) in run("--tasks", "pope", "--ckpt", pope, "--data", pope)


def test_missing_data_root() -> None:
    assert "nowhere" in run("--tasks", "pope", "--model", "majority", "--data", "nowhere")
    assert "nowhere" in message("data", "check", "nowhere")


def test_data_root_without_the_files(tmp_path: Path) -> None:
    said = run("--tasks", "pope", "--model", "majority", "--data", tmp_path)
    for category in CATEGORIES:
        assert f"coco_pope_{category}.json" in said
    assert "RUCAIBox/POPE" in said


def test_malformed_record(pope: Path) -> None:
    (pope / "pope" / "coco_pope_popular.json").write_text('{"question_id": 1}\n', "utf-8")
    assert "coco_pope_popular.json:1: " in run("--tasks", "pope", "--model", "majority", "--data", pope)


def test_folder_of_another_configuration(pope: Path) -> None:
    arguments = ("--tasks", "pope", "--model", "majority", "--data", pope, "--name", "x")
    first = CliRunner().invoke(app, ["run", "--out", "results", *map(str, arguments)])
    assert first.exit_code == 0, first.output
    said = run("--tasks", "pope", "--model", "random", "--data", pope, "--name", "x")
    assert "majority" in said
    assert "--fresh" in said


def test_predictions_that_are_missing_or_malformed(pope: Path, tmp_path: Path) -> None:
    score = ("score", "--task", "pope", "--data", pope, "--out", "o", "--predictions")
    assert "answers.jsonl" in message(*score, "answers.jsonl")
    path = tmp_path / "answers.jsonl"
    path.write_text('{"question_id": "random/1", "text": "yes"}\nnot json\n', "utf-8")
    assert "answers.jsonl:2" in message(*score, path)


def test_predictions_for_other_questions(pope: Path, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"question_id": "random/77", "text": "yes"}\n', "utf-8")
    said = message("score", "--task", "pope", "--data", pope, "--out", "o", "--predictions", path)
    assert "random/77" in said


@pytest.mark.parametrize("command", [("compare",), ("leaderboard",)])
def test_results_that_are_not_there(command: tuple[str], tmp_path: Path) -> None:
    assert "nothing-here" in message(*command, "nothing-here")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "empty" in message(*command, empty)


def test_nothing_to_prepare_from() -> None:
    assert "mini" in message("data", "prepare", "gqa")


@pytest.mark.parametrize("limit", ["0", "-3", "many"])
def test_limit_that_is_no_number_of_questions(limit: str, pope: Path) -> None:
    arguments = ["run", "--tasks", "pope", "--model", "majority", "--data", str(pope), "--limit", limit]
    result: Any = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "limit" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "step"),
    [
        ("report nothing-here", "give a results folder or a run folder"),
        ("view nothing-here --no-browser", "give a results folder or a run folder"),
        ("baseline nothing-here", "`sqeval run` makes one"),
        ("score --predictions none.jsonl", "give predictions, or a run folder"),
        ("score --predictions .", "`sqeval tasks list` shows all"),
        ("run --config none.yaml", "--config takes YAML"),
        ("run --ckpt mini --data mini", "`sqeval tasks list` shows them"),
        ("run --tasks pope --ckpt mini", "or `mini` for the suite that needs no download"),
        ("run --tasks pope --data mini", "packaged name such as `mini`"),
        ("ask --ckpt mini --images none -o a.questions.jsonl", "give images, or a manifest"),
        ("power", "sqeval power --task gqa"),
        ("data prepare mini --out part", "`sqeval tasks list` shows all"),
        ("questions explain nothing", "`sqeval questions explain` lists all"),
        ("questions report .", "`sqeval questions score` writes them"),
    ],
)
def test_the_message_names_the_next_step(arguments: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQEVAL_DATA", raising=False)
    assert step in message(*arguments.split())
