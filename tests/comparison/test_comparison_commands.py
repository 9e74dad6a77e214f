"""`sqeval compare`, `baseline` and `leaderboard` as they are typed: exit codes, files, what is on the screen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_runs import HASHES, answers, make_run, spoiled, truths
from typer.testing import CliRunner

from sqeval.cli.app import app


def sqeval(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, list(map(str, arguments)), prog_name="sqeval", env={"COLUMNS": "80"})


@pytest.fixture
def results(tmp_path: Path) -> Path:
    right = truths(600)
    folder = tmp_path / "results"
    make_run(folder / "base", {"colours": answers(right)}, started="2026-01-01")
    make_run(folder / "same", {"colours": answers(right)}, started="2026-01-02")
    make_run(folder / "worse", {"colours": answers(spoiled(right, 0.2))}, started="2026-01-03")
    make_run(folder / "other", {"colours": answers(right)}, hashes={**HASHES, "data": "x"}, started="2026-01-04")
    make_run(folder / "blind", {"colours": answers(truths(600, seed=9, rate=0.2))}, sees_images=False)
    return folder


def test_exit_codes_tell_the_verdict(results: Path) -> None:
    assert sqeval("compare", results / "base", results / "same").exit_code == 0
    assert sqeval("compare", results / "base", results / "worse").exit_code == 3
    assert sqeval("compare", results / "worse", results / "base").exit_code == 0
    assert sqeval("compare", results / "base", results / "other").exit_code == 5
    assert sqeval("compare", results).exit_code == 3
    assert sqeval("compare", results / "base", results / "nowhere").exit_code == 2
    assert sqeval("compare").exit_code == 2


def test_bad_input_is_one_message_without_a_traceback(results: Path) -> None:
    (results / "worse" / "run.json").write_text("{broken")
    found = sqeval("compare", results / "base", results / "worse")
    assert found.exit_code == 2
    assert "worse/run.json" in found.stderr
    assert "Traceback" not in found.output
    assert sqeval("compare", results, "--baseline", "nobody").exit_code == 2
    assert sqeval("compare", results, "--alpha", "2").exit_code == 2


@pytest.mark.parametrize("width", ["80", "140"])
def test_every_table_fits_the_terminal(results: Path, width: str) -> None:
    for arguments in (["compare", str(results)], ["leaderboard", str(results)]):
        output = CliRunner().invoke(app, arguments, prog_name="sqeval", env={"COLUMNS": width}).stdout
        assert max(len(line) for line in output.splitlines()) <= int(width)
        assert "…" not in output


def test_the_screen_says_what_happened(results: Path) -> None:
    output = " ".join(sqeval("compare", results).stdout.split())
    assert "worse against base" in output
    assert "regression" in output
    assert "lost most in room=" in output
    assert "the runs differ in more than the model: data hash" in output
    assert "left out: blind is a floor" in output
    assert "In all: 1 regression, 1 incomparable, 1 pass." in output


def test_reports_are_written(results: Path, tmp_path: Path) -> None:
    table, numbers = tmp_path / "deep" / "c.md", tmp_path / "c.json"
    sqeval("compare", results, "--markdown", table, "--json", numbers)
    assert "| colours accuracy |" in table.read_text()
    assert "**regression**" in table.read_text()
    value = json.loads(numbers.read_text())
    verdicts = {c["candidate"]["name"]: c["tasks"][0]["verdict"] for c in value["comparisons"]}
    assert verdicts == {"same": "pass", "worse": "regression", "other": "incomparable"}
    worse = next(c for c in value["comparisons"] if c["candidate"]["name"] == "worse")["tasks"][0]
    right, spoilt = truths(600), spoiled(truths(600), 0.2)
    assert {flip["id"] for flip in worse["flips"]["worse"]} == {f"q{i:05}" for i in (right & ~spoilt).nonzero()[0]}
    assert worse["difference"]["value"] == pytest.approx(spoilt.mean() - right.mean())


def test_a_loss_that_is_tolerated_does_not_pass_unseen(results: Path) -> None:
    # A wide margin makes no regression a pass; it only eases the proof that there is none.
    assert sqeval("compare", results / "base", results / "worse", "--margin", "50").exit_code == 3


def test_a_stored_baseline_guards_the_folder(results: Path) -> None:
    stored = sqeval("baseline", results / "same", "--out", results / "baselines", "--name", "main")
    assert stored.exit_code == 0
    assert str(results / "baselines" / "main") in stored.stdout.replace("\n", "")
    assert "base against main (stored baseline)" in sqeval("compare", results).stdout
    assert sqeval("compare", results / "worse").exit_code == 3
    assert sqeval("baseline", results / "same", "--out", results / "baselines", "--name", "main").exit_code == 2


def test_leaderboard_formats(results: Path) -> None:
    table = sqeval("leaderboard", results).stdout
    assert table.index("base") < table.index("worse") < table.index("floors") < table.index("blind")
    markdown = sqeval("leaderboard", results, "--format", "md").stdout
    assert markdown.startswith("# Leaderboard\n")
    assert len(json.loads(sqeval("leaderboard", results, "--format", "json").stdout)["rows"]) == 5
    lines = sqeval("leaderboard", results, "--format", "csv").stdout.splitlines()
    assert lines[0].startswith("data,run,standing")
    assert len(lines) == 6
    assert sqeval("leaderboard", results, "--format", "latex").stdout.count(r"\begin{table}") == 2
    assert sqeval("leaderboard", results, "--format", "html").stdout.startswith("<!DOCTYPE html>")
    assert sqeval("leaderboard", results, "--format", "xls").exit_code == 2


def test_leaderboard_marks_ties_and_shows_ranks(results: Path) -> None:
    right = truths(600)
    near = right.copy()
    near[right.argmax()] = False
    make_run(results / "near", {"colours": answers(near)})
    lines = sqeval("leaderboard", results, "--sort", "colours", "--intervals").stdout.splitlines()
    rows = {
        line.split()[0]: line for line in lines if line.strip().startswith(("base", "same", "near", "worse", "blind"))
    }
    assert [" ".join(rows[name].split()[1:3]) for name in ("base", "same", "near", "worse")] == [
        "1 (1–3)", "1 (1–3)", "3 (1–3)", "4 (4–4)",
    ]  # fmt: skip
    assert "† [" in rows["near"]
    assert "†" not in rows["worse"] + rows["base"]
    assert "(" not in rows["blind"]
    quick = sqeval("leaderboard", results, "--no-ties").stdout
    assert "†" not in quick
    assert sqeval("leaderboard", results, "--sort", "taste").exit_code == 2


def test_leaderboard_with_published_scores(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "board.html"
    (results / "published.csv").write_text(
        "model,task,metric,data,percent,source,note\nTheirs,colours,accuracy,val,77.7,Somebody 2024,\n", "utf-8"
    )
    done = sqeval("leaderboard", results, "--published", "--format", "html", "-o", out)
    assert done.stdout.strip().replace("\n", "") == str(out)
    page = out.read_text("utf-8")
    assert page.index("base") < page.index("Published scores") < page.index("SQ-LLaVA 7B") < page.index("Theirs")
    assert "Somebody 2024" in page
    assert "Published scores" not in sqeval("leaderboard", results).stdout
    (results / "published.csv").write_text("model\nTheirs\n", "utf-8")
    broken = sqeval("leaderboard", results, "--published")
    assert broken.exit_code == 2
    assert "published.csv:1: expected the columns" in broken.stderr.replace("\n", "")


def test_published_scores_alone_need_no_run(tmp_path: Path) -> None:
    done = sqeval("leaderboard", tmp_path / "nothing", "--published", "--format", "json")
    assert done.exit_code == 0
    assert "there is no finished run" in " ".join(done.stderr.split())
    value = json.loads(done.stdout)
    assert value["rows"] == []
    assert {row["task"] for row in value["published"]} >= {"vqav2", "gqa", "pope"}


def test_a_leaderboard_without_runs_says_so(results: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no finished run" in sqeval("leaderboard", tmp_path / "empty").stderr
    assert sqeval("leaderboard", tmp_path / "empty").exit_code == 2
    assert sqeval("leaderboard", tmp_path / "nowhere").exit_code == 2
    make_run(results / "dying", {"colours": answers(truths(20))}, status="running")
    found = sqeval("leaderboard", results, "--format", "json")
    assert found.exit_code == 0
    assert "dying has not finished" in " ".join(found.stderr.split())
    value = json.loads(found.stdout)
    assert "dying" not in {row["run"] for row in value["rows"]}
    assert "dying has not finished" in value["left_out"][0]
