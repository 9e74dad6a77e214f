"""A/A: two runs of one checkpoint give the noise floor, which is kept with the baseline and shown later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_runs import answers, make_run, truths
from typer.testing import CliRunner

from sqeval.cli.app import app

RIGHT = truths(600)


def turned(n: int) -> Any:
    """The same answers with the first `n` turned around."""
    other = RIGHT.copy()
    other[:n] = ~other[:n]
    return other


def sqeval(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, list(map(str, arguments)), prog_name="sqeval", env={"COLUMNS": "100"})


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    for name, flips, checkpoint in (("first", 0, "w"), ("again", 12, "w"), ("thrice", 3, "w"), ("new", 40, "v")):
        make_run(folder / name, {"colours": answers(turned(flips))}, checkpoint=checkpoint)
    assert sqeval("baseline", folder / "first", "--out", folder / "baselines", "--name", "main").exit_code == 0
    return folder


def test_the_floor_is_kept_and_shown_beside_later_differences(results: Path, tmp_path: Path) -> None:
    stored = results / "baselines" / "main"
    found = sqeval("compare", stored, results / "again", "--aa")
    assert found.exit_code == 0
    assert "The noise floor is kept in" in found.stdout
    [entry] = json.loads((stored / "aa.json").read_text())["measurements"]
    assert entry["run"] == "again"
    assert entry["tasks"]["colours"]["flipped"] == 12 / 600
    assert entry["tasks"]["colours"]["difference"] == pytest.approx(turned(12).mean() - RIGHT.mean())
    later = sqeval("compare", stored, results / "new", "--json", tmp_path / "c.json")
    assert ", 2.0 % flip" in later.stdout
    [comparison] = json.loads((tmp_path / "c.json").read_text())["comparisons"]
    assert comparison["noise_floor"]["colours"]["flipped"] == 12 / 600


def test_the_noisiest_of_several_measurements_counts(results: Path) -> None:
    stored = results / "baselines" / "main"
    for name in ("again", "thrice", "thrice"):
        sqeval("compare", stored, results / name, "--aa")
    assert len(json.loads((stored / "aa.json").read_text())["measurements"]) == 2
    assert ", 2.0 % flip" in sqeval("compare", stored, results / "new").stdout


def test_other_checkpoints_are_refused(results: Path) -> None:
    found = sqeval("compare", results / "first", results / "new", "--aa")
    assert found.exit_code == 5
    assert "first and new are of different ones" in found.stderr
    assert found.stdout == ""


def test_without_a_stored_baseline_it_is_shown_and_not_kept(results: Path) -> None:
    found = sqeval("compare", results / "first", results / "again", "--aa")
    assert found.exit_code == 0
    assert "was not kept: first is no stored baseline" in found.stdout
    assert not (results / "first" / "aa.json").exists()


def test_a_damaged_floor_is_one_message(results: Path) -> None:
    path = results / "baselines" / "main" / "aa.json"
    path.write_text('{"measurements": [{"tasks": {"colours": {"flips": 1}}}]}')
    found = sqeval("compare", path.parent, results / "new")
    assert found.exit_code == 2
    assert "aa.json" in found.stderr
