"""Every task of the mini suite, under every protocol, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sqeval.cli.app import app
from sqeval.registry import get_task, task_names

PROTOCOLS = ("official", "llava", "lmms")
QUESTIONS = ("vqav2", "gqa", "scienceqa", "pope", "mmbench")
CAPTIONS = ("coco_caption", "nocaps")


def sqeval(*arguments: object) -> Any:
    result: Any = CliRunner().invoke(app, [str(a) for a in arguments], prog_name="sqeval", env={"COLUMNS": "120"})
    assert result.exit_code == 0, (result.exception, result.output)
    return result


def run_and_score_again(tasks: tuple[str, ...], protocol: str, out: Path) -> dict[str, Any]:
    """The metrics.json of each task, which scoring the run again gives once more."""
    run = ("--tasks", ",".join(tasks), "--model", "random", "--data", "mini", "--limit", 20, "--out", out)
    sqeval("run", *run, "--protocol", protocol, "--name", "asked")
    sqeval("score", "--predictions", out / "asked", "--name", "scored", "--out", out)
    found = {name: json.loads((out / "asked" / name / "metrics.json").read_bytes()) for name in tasks}
    assert found == {name: json.loads((out / "scored" / name / "metrics.json").read_bytes()) for name in tasks}
    return found


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_questions(protocol: str, tmp_path: Path) -> None:
    for name, metrics in run_and_score_again(QUESTIONS, protocol, tmp_path).items():
        assert (metrics["protocol"], metrics["primary"]) == (protocol, get_task(name, protocol).primary)
        assert 0 <= metrics["metrics"][metrics["primary"]]["value"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_captions(protocol: str, tmp_path: Path) -> None:
    for name, metrics in run_and_score_again(CAPTIONS, protocol, tmp_path).items():
        assert (metrics["protocol"], metrics["primary"]) == (protocol, get_task(name, protocol).primary)
        assert metrics["metrics"][metrics["primary"]]["value"] >= 0


@pytest.mark.parametrize("name", [*QUESTIONS, *CAPTIONS])
def test_show_tells_what_differs(name: str) -> None:
    shown = sqeval("tasks", "show", name).stdout
    for protocol in ("llava", "lmms"):
        assert f"protocol {protocol}: " in shown
        variant = get_task(name, protocol)
        words = " ".join(shown.split())
        for said in variant.differs.values() or ["the same as official"]:
            assert " ".join(said.split()[:6]) in words


def test_show_of_a_protocol_has_its_prompts() -> None:
    shown = sqeval("tasks", "show", "mmbench", "--protocol", "lmms").stdout
    assert shown.count("There are several options:") >= 3
    assert "protocol llava: " in shown


@pytest.mark.parametrize("name", sorted({*task_names()} - {*QUESTIONS, *CAPTIONS}))
def test_show_needs_no_data(name: str) -> None:
    """Of benchmarks that the mini suite has nothing of: all but the prompts."""
    shown = sqeval("tasks", "show", name).stdout
    assert "protocol lmms: " in shown
    assert "--data DIR shows prompts" in shown.splitlines()[-1]
    told = json.loads(sqeval("tasks", "show", name, "--json").stdout)
    assert (told["data"], told["questions"], told["prompts"]) == (None, None, [])
