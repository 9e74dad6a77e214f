"""The leaderboard: who shares a table, who is ranked, what is marked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from small_runs import HASHES, answers, make_run, truths

from sqeval import published
from sqeval.boards import Standing, boards
from sqeval.errors import UserError
from sqeval.records import Record
from sqeval.report.leaderboard import page, title
from sqeval.report.rows import FIELDS, as_csv, as_rows
from sqeval.report.sheet import markdown
from sqeval.runs import Run

ROWS = answers(truths(100))
GOOD = answers(truths(100, rate=0.9))
BAD = answers(truths(100, rate=0.3))


def with_error(rows: list[Record]) -> list[Record]:

    first = rows[0].but(response=None, parsed=None, error="unreadable image", finish_reason="error")
    return [first.but(scores=dict.fromkeys(first.scores, 0.0)), *rows[1:]]


def test_better_runs_come_first_and_the_best_score_is_marked(tmp_path: Path) -> None:
    bad = make_run(tmp_path / "a", {"colours": BAD, "presence": GOOD})
    good = make_run(tmp_path / "b", {"colours": GOOD, "presence": GOOD})
    part = make_run(tmp_path / "c", {"colours": ROWS})
    (board,) = boards([bad, part, good])
    assert board.tasks == ["colours", "presence"]
    assert [(entry.run.name, entry.best) for entry in board.entries] == [
        ("b", {"colours", "presence"}),
        ("a", {"presence"}),
        ("c", set()),
    ]


def test_capped_and_errored_runs_and_floors_are_listed_below_and_never_best(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / "floor", {"colours": GOOD}, sees_images=False),
        make_run(tmp_path / "errors", {"colours": with_error(GOOD)}),
        make_run(tmp_path / "capped", {"colours": GOOD}, limit=100),
        make_run(tmp_path / "full", {"colours": BAD}),
    ]
    (board,) = boards(runs)
    assert [(entry.run.name, entry.standing, entry.flags) for entry in board.entries] == [
        ("full", Standing.FULL, ()),
        ("capped", Standing.PARTIAL, ("limit 100",)),
        ("errors", Standing.PARTIAL, ("1 errored",)),
        ("floor", Standing.FLOOR, ()),
    ]
    assert [entry.best for entry in board.entries] == [{"colours"}, set(), set(), set()]


def run_on(folder: Path, data: str, digest: str, task: str = "colours", version: str = "1") -> Run:
    return make_run(folder, {task: ROWS}, data=data, hashes={**HASHES, "data": digest}, version=version)


def test_different_data_never_share_a_table(tmp_path: Path) -> None:
    mini, real = run_on(tmp_path / "mini", "mini", "1" * 64), run_on(tmp_path / "real", "val", "2" * 64)
    changed = run_on(tmp_path / "changed", "mini", "3" * 64)
    other_version = run_on(tmp_path / "version", "val", "2" * 64, version="2")
    found = boards([mini, real, changed, other_version])
    assert sorted([entry.run.name for entry in board.entries] for board in found) == [
        ["changed"],
        ["mini"],
        ["real"],
        ["version"],
    ]
    titles = {entry.run.name: title(board, found) for board in found for entry in board.entries}
    assert titles["mini"] == "mini (colours 11111111)"
    assert titles["changed"] == "mini (colours 33333333)"


def test_the_same_data_share_a_table_whatever_it_was_called(tmp_path: Path) -> None:
    same = [run_on(tmp_path / "one", "mini", "1" * 64), run_on(tmp_path / "two", "cache/mini", "1" * 64)]
    assert len(boards(same)) == 1
    other_task = run_on(tmp_path / "three", "elsewhere", "9" * 64, task="presence")
    assert len(boards([*same, other_task])) == 2  # no task in common and another name


def test_names_are_escaped_in_markdown_and_csv(tmp_path: Path) -> None:
    evil = make_run(tmp_path / "x", {"colours": ROWS}, data="d|a<b>")
    evil = Run(evil.path, {**evil.info, "name": "=1+1|<script>*x*\x1b[31m"}, evil.tasks)
    text = markdown.render(page(boards([evil])))
    assert "<script>" not in text
    assert r"=1+1\|\<script\>\*x\*\[31m" in text
    assert text.count("\n| :-- | --: |\n") == 1
    line = as_csv(boards([evil])).splitlines()[1]
    assert line.startswith("d|a<b>,'=1+1|<script>*x*[31m,full")


def test_rows_hold_what_the_files_hold(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", {"colours": ROWS, "presence": ROWS})
    rows = as_rows(boards([run]))
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    for row in rows:
        primary = run.tasks[row["task"]].primary
        assert [row["low"], row["high"]] == primary["ci95"]
        assert (row["value"], row["n"], row["clusters"]) == (primary["value"], primary["n"], primary["clusters"])


def test_a_score_without_interval_is_shown_without_one(tmp_path: Path) -> None:
    lonely = make_run(tmp_path / "a", {"colours": answers([True, False])})  # one image
    text = markdown.render(page(boards([lonely])))
    assert "| a | **50.0** ±– |" in text


def test_sorting_by_a_task_orders_every_section_and_puts_runs_without_it_last(tmp_path: Path) -> None:
    made = [
        make_run(tmp_path / "a", {"colours": BAD, "presence": GOOD}),
        make_run(tmp_path / "b", {"colours": GOOD, "presence": BAD}),
        make_run(tmp_path / "c", {"presence": GOOD}),
        make_run(tmp_path / "d", {"colours": BAD}, sees_images=False),
        make_run(tmp_path / "e", {"colours": GOOD}, sees_images=False),
    ]
    orders = {task: [entry.run.name for entry in boards(made, task)[0].entries] for task in ("colours", "presence")}
    assert orders == {"colours": ["b", "a", "c", "e", "d"], "presence": ["a", "c", "b", "d", "e"]}
    with pytest.raises(UserError, match="--sort taste: no run has this task; there are: colours, presence"):
        boards(made, "taste")


def test_the_second_best_is_the_next_score_whoever_shares_the_first(tmp_path: Path) -> None:
    rows = {"a": GOOD, "b": GOOD, "c": ROWS, "d": BAD}
    (board,) = boards([make_run(tmp_path / name, {"colours": samples}) for name, samples in rows.items()])
    places = [entry.places["colours"] for entry in board.entries]
    assert [(place.rank, place.second) for place in places] == [(1, False), (1, False), (3, True), (4, False)]


def test_the_documentation_names_every_field_and_no_other() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "leaderboard.md").read_text("utf-8")
    tables = [re.findall(r"^\| (`.*?`) \|", part, re.MULTILINE) for part in page.split("\n## ")]
    quoted, fields = ({name for cell in cells for name in re.findall(r"`(\w+)`", cell)} for cells in tables[-2:])
    assert quoted == set(published.FIELDS)
    assert fields == set(FIELDS)
