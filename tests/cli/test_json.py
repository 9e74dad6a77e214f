"""With --json, standard output is one JSON document, whatever the command has to say besides."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from example_workspace import Workspace, document, typed
from help_examples import ELSEWHERE, Command, commands, runnable

COMMANDS = commands()
TABLELESS = {
    "sqeval ask", "sqeval data prepare", "sqeval report", "sqeval view", "sqeval questions answer",
    "sqeval questions import", "sqeval questions rate export", "sqeval questions report",
    "sqllava convert", "sqllava plot", "sqllava train",
}  # fmt: skip
"""What they make is a file or a page, whose name is all that they print."""
SHOWN = [command for command in COMMANDS if command.has_json and command.name not in ELSEWHERE]


def test_every_command_that_shows_something_has_it() -> None:
    assert {command.name for command in COMMANDS if not command.has_json} == TABLELESS


@pytest.mark.parametrize("command", SHOWN, ids=lambda command: command.name)
def test_standard_output_parses(command: Command, workspace: Workspace) -> None:
    if command.name == "sqeval baseline":  # refuses to replace the one that its example stored
        shutil.rmtree(workspace.folder / "results" / "baselines")
    for example in filter(runnable, command.examples):
        plain, done = workspace.done[example], typed(example, "--json")
        assert done.exit_code == plain.exit_code, done.output
        assert document(done.stdout)
        with pytest.raises(ValueError, match=r"Expecting|Extra"):
            document(plain.stdout)


@pytest.mark.slow
def test_a_run_s_libraries_do_not_speak_between(workspace: Workspace) -> None:
    """A real process: nothing but the document reaches its standard output, whoever writes there."""
    command = [sys.executable, "-c", "from sqeval.cli.app import main; main()", "run", "--json", "--fresh"]
    command += ["--tasks", "pope,coco_caption", "--ckpt", "mini", "--data", "mini", "--limit", "10", "--name", "loud"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=workspace.folder, check=True)
    told = document(done.stdout)
    for task in ("pope", "coco_caption"):
        assert told["tasks"][task] == json.loads(
            (workspace.folder / told["folder"] / task / "metrics.json").read_text()
        )
    assert "coco_caption" in done.stderr


def test_errored_samples_are_told_and_still_fail(tmp_path: Path) -> None:
    (tmp_path / "coco" / "val2014").mkdir(parents=True)
    (tmp_path / "coco" / "val2014" / "COCO_val2014_000000000001.jpg").write_bytes(b"no image")
    (tmp_path / "pope").mkdir()
    line = {"question_id": 1, "image": "COCO_val2014_000000000001.jpg", "text": "Is there a cat?", "label": "no"}
    for category in ("random", "popular", "adversarial"):
        (tmp_path / "pope" / f"coco_pope_{category}.json").write_text(json.dumps(line))
    done = typed(f"sqeval run --tasks pope --ckpt mini --data {tmp_path} --out {tmp_path / 'out'}", "--json")
    assert done.exit_code == 5
    told = document(done.stdout)
    assert told["errored"] == 3
    assert told["errors"]["pope"][0].keys() == {"id", "error"}
    assert "3 samples errored" in done.stderr


@pytest.mark.parametrize("form", [("--json",), ("--json", "-"), ("--json=-",), ("--json", "--strict")])
def test_compare_prints_where_no_file_is_named(form: tuple[str, ...], workspace: Workspace) -> None:
    done = typed("sqeval compare results/before results/try", *form)
    assert done.exit_code == 0
    assert document(done.stdout)["comparisons"]
    assert "pass" in done.stderr


def test_compare_writes_where_one_is(workspace: Workspace, tmp_path: Path) -> None:
    for command in ("compare results/before results/try", "questions compare scores/mini scores/people --force"):
        shown = typed(f"sqeval {command}", "--json", "-")
        done = typed(f"sqeval {command}", "--json", str(tmp_path / "c.json"))
        assert document((tmp_path / "c.json").read_text("utf-8")) == document(shown.stdout)
        assert done.stdout.strip()


def test_what_is_not_a_number_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    from sqeval.cli.output import print_json

    hard: dict[str, Any] = {"nan": float("nan"), "inf": [float("inf")], "path": Path("a"), "half": "\ud83d"}
    print_json(hard)
    assert document(capsys.readouterr().out) == {"nan": None, "inf": [None], "path": "a", "half": "\ud83d"}
