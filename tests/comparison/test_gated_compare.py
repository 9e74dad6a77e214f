"""`sqeval compare` in continuous integration: every exit code, JUnit, Markdown, what is printed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from small_runs import answers, make_run, spoiled, truths
from typer.testing import CliRunner

from sqeval.cli.app import app

RIGHT = truths(600)
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "comparison.md").read_text("utf-8")


def sqeval(*arguments: str | Path, **environment: str) -> Any:
    env = {"COLUMNS": "100", "GITHUB_STEP_SUMMARY": "", **environment}
    return CliRunner().invoke(app, list(map(str, arguments)), prog_name="sqeval", env=env)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    unsure = RIGHT.copy()
    turned = [*RIGHT.nonzero()[0][:20], *(~RIGHT).nonzero()[0][:18]]  # two more for the worse than for the better
    unsure[turned] = ~unsure[turned]
    long = [row.but(finish_reason="length" if i < 90 else "stop") for i, row in enumerate(answers(RIGHT))]
    runs = {"base": answers(RIGHT), "same": answers(RIGHT), "worse": answers(spoiled(RIGHT, 0.2))}
    runs |= {"better": answers(RIGHT | ~spoiled(~RIGHT, 0.3)), "unsure": answers(unsure), "long": long}
    for name, rows in runs.items():
        make_run(
            folder / name, {"colours": rows}, told={"packages": {"torch": "2.13.0" if name == "worse" else "2.12.0"}}
        )
    make_run(folder / "lucky", {"colours": runs["better"]}, checkpoint="base")
    make_run(folder / "half", {"colours": answers(RIGHT)[:300]})
    return folder


@pytest.mark.parametrize(
    ("run", "flags", "code", "verdict"),
    [
        ("same", [], 0, "pass"),
        ("better", [], 0, "improvement"),
        ("worse", [], 3, "regression"),
        ("worse", ["--min-effect", "60"], 0, "inconclusive"),
        ("worse", ["--min-effect", "60", "--strict"], 4, "inconclusive"),
        ("unsure", [], 0, "inconclusive"),
        ("unsure", ["--strict"], 4, "inconclusive"),
        ("unsure", ["--strict", "--margin", "20"], 0, "pass"),
        ("long", [], 5, "incomparable"),
        ("long", ["--max-rise", "15"], 0, "pass"),
        ("half", [], 5, "incomparable"),
        ("half", ["--allow-partial"], 0, "pass"),
    ],
)
def test_exit_codes(results: Path, tmp_path: Path, run: str, flags: list[str], code: int, verdict: str) -> None:
    found = sqeval("compare", results / "base", results / run, *flags, "--json", tmp_path / "c.json")
    assert found.exit_code == code
    value = json.loads((tmp_path / "c.json").read_text())
    assert value["exit_code"] == code
    assert value["comparisons"][0]["tasks"][0]["verdict"] == verdict
    assert verdict in found.stdout


def test_a_failed_gate_stops_a_results_folder_too(results: Path) -> None:
    for name in ("worse", "half"):
        (results / name).rename(results.parent / name)
    found = sqeval("compare", results, "--baseline", "base")
    assert found.exit_code == 5
    assert "hard gate failed: truncated answers rose from 0.0 to 15.0 %" in " ".join(found.stdout.split())


def test_the_screen_tells_what_to_look_at(results: Path) -> None:
    def shown(run: str) -> str:
        return " ".join(sqeval("compare", results / "base", results / run).stdout.split())

    assert re.search(r"got worse: q\d{5} \(red → blue\), .* and \d+ more \(--json has all\)", shown("worse"))
    assert "changed checkpoint: content base → worse" in shown("worse")
    assert "changed packages: torch 2.12.0 → 2.13.0" in shown("worse")
    assert re.search(r"inconclusive: needs about [\d,]+ samples to find a loss of 1", shown("unsure"))
    assert "warning: better by more than 3 standard errors with the same weights" in shown("lucky")
    assert "warning" not in shown("better")


def test_junit_has_a_case_a_task(results: Path, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "c.xml"
    sqeval("compare", results, "--baseline", "base", "--junit", path)
    root = ET.fromstring(path.read_bytes())
    assert (root.tag, {suite.tag for suite in root}) == ("testsuites", {"testsuite"})
    cases = {case.get("classname"): case for case in root.iter("testcase")}
    assert {case.get("name") for case in cases.values()} == {"colours accuracy"}
    outcomes = {name: [child.tag for child in case] for name, case in cases.items()}
    assert outcomes == {
        "same": ["system-out"], "better": ["system-out"], "lucky": ["system-out"], "worse": ["failure"],
        "unsure": ["skipped"], "long": ["error"], "half": ["error"],
    }  # fmt: skip
    assert root.attrib.items() >= {"tests": "7", "failures": "1", "errors": "2", "skipped": "1"}.items()
    failure = cases["worse"].find("failure")
    assert failure is not None
    assert "regression: −" in failure.get("message", "")
    assert "got worse: " in (failure.text or "")
    sqeval("compare", results / "base", results / "unsure", "--strict", "--junit", path)
    assert [child.tag for child in next(ET.parse(path).getroot().iter("testcase"))] == ["failure"]


def test_the_page_is_that_of_the_report(results: Path, tmp_path: Path) -> None:
    page = tmp_path / "deep" / "c.html"
    assert sqeval("compare", results / "base", results / "worse", "--html", page).exit_code == 3
    assert page.read_text("utf-8").lower().startswith("<!doctype html>")
    assert "worse" in page.read_text("utf-8")


def test_text_from_models_cannot_break_a_report(tmp_path: Path) -> None:
    evil = "]]></failure>\x00\x1b[31m\ud800 | <script>alert(1)</script> `x` \x0b"
    rows = [row.but(parsed=evil) for row in answers(spoiled(RIGHT, 0.3))]
    make_run(tmp_path / "a", {"colours": answers(RIGHT)})
    for row in rows:
        row.parsed = evil.replace("\ud800", "")  # what a file can hold
    make_run(tmp_path / "b", {"colours": rows})
    table, report = tmp_path / "c.md", tmp_path / "c.xml"
    found = sqeval("compare", tmp_path / "a", tmp_path / "b", "--junit", report, "--markdown", table)
    assert found.exit_code == 3
    text = ET.fromstring(report.read_bytes()).find("testsuite/testcase/failure")
    assert text is not None
    assert "<script>" in (text.text or "")
    assert "<script>" not in report.read_text("utf-8")
    assert "<script>" not in table.read_text("utf-8")
    assert "\x1b" not in found.stdout + table.read_text("utf-8") + report.read_text("utf-8")


def test_markdown_is_appended_to_the_summary_of_a_github_step(results: Path, tmp_path: Path) -> None:
    summary, table = tmp_path / "summary.md", tmp_path / "c.md"
    summary.write_text("before\n")
    runs = (results / "base", results / "worse")
    sqeval("compare", *runs, "--markdown", table, GITHUB_STEP_SUMMARY=str(summary))
    assert summary.read_text() == "before\n"
    sqeval("compare", *runs, GITHUB_STEP_SUMMARY=str(summary))
    assert summary.read_text() == f"before\n\n{table.read_text()}"
    rows = [line for line in table.read_text().splitlines() if line.startswith("|")]
    assert len(rows) == 3
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in rows}) == 1
    missing = sqeval("compare", *runs, GITHUB_STEP_SUMMARY=str(tmp_path / "no" / "s.md"))
    assert missing.exit_code == 2
    assert "GITHUB_STEP_SUMMARY" in missing.stderr


def test_the_json_has_the_fields_that_its_documentation_names(results: Path, tmp_path: Path) -> None:
    stored = results / "baselines"
    sqeval("baseline", results / "base", "--out", stored, "--name", "main")
    sqeval("compare", stored / "main", results / "lucky", "--aa")
    sqeval("compare", stored / "main", results / "worse", "--json", tmp_path / "c.json")
    value = json.loads((tmp_path / "c.json").read_text())
    [comparison] = value["comparisons"]
    [task] = comparison["tasks"]
    parts = {
        "JSON": value, "rules": value["rules"], "comparisons": comparison, "changes": comparison["changes"][0],
        "noise_floor": comparison["noise_floor"]["colours"], "tasks": task, "difference": task["difference"],
        "cells": task["cells"][0], "flips": task["flips"], "worse and better": task["flips"]["worse"][0],
    }  # fmt: skip
    for heading, part in parts.items():
        section = re.split(rf"\n#+ {heading}\n", PAGE)[1].split("\n#")[0]
        named = {
            name for cell in re.findall(r"^\| (`[^|]*) \|", section, re.M) for name in re.findall(r"`(\w+)`", cell)
        }
        assert named == set(part), heading
