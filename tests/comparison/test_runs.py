"""Loading runs: what is finished is read, what is not is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_runs import answers, make_run, truths

from sqeval.baseline import store
from sqeval.errors import DataError, IncompleteError, UserError
from sqeval.runs import find_runs, is_run, load_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_run(tmp_path / "good", {"colours": answers(truths(20)), "presence": answers(truths(20))}).path


def test_a_run_as_it_was_written(folder: Path) -> None:
    run = load_run(folder)
    assert (run.name, run.sees_images, run.limit, run.data, run.is_baseline) == ("good", True, None, "mini", False)
    assert list(run.tasks) == ["colours", "presence"]
    assert run.tasks["colours"].records == answers(truths(20))
    assert run.tasks["colours"].primary["n"] == 20


def test_results_folders_hold_runs_and_baselines_the_oldest_first(tmp_path: Path) -> None:
    rows = {"colours": answers(truths(20))}
    late = make_run(tmp_path / "a_late", rows, started="2026-03-01T00:00:00+00:00")
    make_run(tmp_path / "b_early", rows, started="2026-02-01T00:00:00+00:00")
    store(late, tmp_path / "baselines", "kept")
    make_run(tmp_path / "unfinished", rows, status="running")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    (tmp_path / "notes.txt").write_text("not a run")
    found = find_runs(tmp_path)
    assert [run.name for run in found.runs] == ["b_early", "a_late", "kept"]
    assert len(found.problems) == 2
    assert any("unfinished has not finished" in problem for problem in found.problems)
    assert any("broken/run.json" in problem and "not JSON" in problem for problem in found.problems)


def test_missing_folders_and_foreign_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        find_runs(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"has no run\.json"):
        load_run(tmp_path)
    assert not is_run(tmp_path)


@pytest.mark.parametrize("field", ["name", "status", "identity", "tasks", "config"])
def test_a_field_of_the_wrong_kind_is_named(folder: Path, field: str) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: 7}))
    with pytest.raises(UserError, match=rf"run\.json: {field}: expected"):
        load_run(folder)


@pytest.mark.parametrize("change", [{"metrics": {}}, {"counts": {}}, {"hashes": None}, {"primary": "nothing"}])
def test_broken_metrics_are_named(folder: Path, change: dict[str, object]) -> None:
    path = folder / "colours" / "metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=r"colours/metrics\.json: "):
        load_run(folder)


def test_task_names_cannot_lead_out_of_the_folder(folder: Path) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tasks": {"../../etc": {}}}))
    with pytest.raises(UserError, match="not the name of a task"):
        load_run(folder)


def test_an_unfinished_task_makes_the_run_incomplete(folder: Path) -> None:
    (folder / "colours" / "metrics.json").unlink()
    with pytest.raises(IncompleteError, match=r"metrics\.json is missing"):
        load_run(folder)


def test_missing_samples_are_not_zeros(folder: Path) -> None:
    path = folder / "colours" / "samples.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-3]))
    with pytest.raises(IncompleteError, match="17 of 20 samples"):
        _ = load_run(folder).tasks["colours"].records
    path.write_text("".join([*lines[:3], "{}\n", *lines[4:]]))
    with pytest.raises(DataError, match=r"samples\.jsonl:4"):
        _ = load_run(folder).tasks["colours"].records
    path.unlink()
    with pytest.raises(DataError, match="no samples are stored"):
        _ = load_run(folder).tasks["colours"].records
