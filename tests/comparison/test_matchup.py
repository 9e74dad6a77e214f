"""Which run becomes the baseline, and who is compared with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_runs import answers, make_run, truths

from sqeval.baseline import store
from sqeval.errors import IncompleteError, UserError
from sqeval.matchup import Matchup, match

ROWS = {"colours": answers(truths(20))}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for name, day, sees in (("new", 3, True), ("old", 2, True), ("majority", 1, False)):
        make_run(tmp_path / name, ROWS, started=f"2026-01-0{day}T00:00:00+00:00", sees_images=sees)
    return tmp_path


def names(found: Matchup) -> tuple[str, list[str]]:
    return found.baseline.name, [run.name for run in found.candidates]


def test_without_stored_baselines_the_oldest_run_that_sees_images_is_the_baseline(results: Path) -> None:
    found = match([results])
    assert names(found) == ("old", ["new"])
    assert not found.explicit
    assert any("majority is a floor" in note for note in found.notes)


def test_the_newest_stored_baseline_comes_first_but_never_a_floor(results: Path) -> None:
    from sqeval.runs import load_run

    store(load_run(results / "old"), results / "baselines", "older")
    store(load_run(results / "new"), results / "baselines", "newer")
    late = make_run(results / "blind", ROWS, started="2026-01-09T00:00:00+00:00", sees_images=False)
    store(late, results / "baselines", "floor")
    assert names(match([results])) == ("newer", ["old", "new"])
    assert names(match([results / "old"])) == ("newer", ["old"])  # found beside the run


def test_a_baseline_may_be_named_or_given_by_its_folder(results: Path, tmp_path: Path) -> None:
    assert names(match([results], "new")) == ("new", ["old"])
    assert names(match([results], str(results / "new"))) == ("new", ["old"])
    assert names(match([results], "majority")) == ("majority", ["old", "new"])
    with pytest.raises(UserError, match="--baseline nobody: no such run; there are: majority, new, old"):
        match([results], "nobody")


def test_of_several_run_folders_the_first_is_the_baseline(results: Path) -> None:
    found = match([results / "new", results / "old", results / "majority"])
    assert names(found) == ("new", ["old", "majority"])
    assert found.explicit


def test_a_floor_that_is_named_beside_its_folder_is_compared(results: Path) -> None:
    assert names(match([results, results / "majority"])) == ("old", ["majority", "new"])


def test_unfinished_runs_are_noted_in_a_folder_and_refused_by_name(results: Path) -> None:
    make_run(results / "dead", ROWS, status="running")
    found = match([results])
    assert names(found) == ("old", ["new"])
    assert any("dead has not finished" in note for note in found.notes)
    with pytest.raises(IncompleteError, match="dead has not finished"):
        match([results / "old", results / "dead"])


def test_nothing_to_compare_with_is_said(results: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no baseline"):
        match([results / "new"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no finished run"):
        match([tmp_path / "empty"])
    with pytest.raises(UserError, match="no such folder"):
        match([tmp_path / "nowhere"])
    single = make_run(tmp_path / "single" / "one", ROWS)
    with pytest.raises(UserError, match="no run to compare with the baseline one"):
        match([single.path.parent])
