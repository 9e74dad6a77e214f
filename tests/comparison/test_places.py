"""Ties and intervals of ranks on a leaderboard: from constructed runs, by simulation, and where samples are missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_runs import answers, make_run, spoiled, truths

from sqeval.boards import Board, Place, boards
from sqeval.epochs import MARK
from sqeval.places import weigh
from sqeval.runs import Run


def weighed(runs: list[Run]) -> tuple[Board, list[str]]:
    (board,) = boards(runs)
    problems = weigh(board)
    return board, problems


def places(board: Board, task: str = "colours") -> dict[str, Place]:
    return {entry.run.name: entry.places[task] for entry in board.ranked}


@pytest.mark.parametrize("task", ["colours", "presence"])  # a mean and an F1
def test_a_few_flips_are_noise_and_many_are_not(task: str, tmp_path: Path) -> None:
    right = truths(1000)
    flipped = right.copy()
    flipped[np.flatnonzero(right)[:2]] = False
    found = [("best", right), ("near", flipped), ("far", spoiled(right, 0.2))]
    board, problems = weighed([make_run(tmp_path / name, {task: answers(values)}) for name, values in found])
    assert problems == []
    assert places(board, task) == {
        "best": Place(1, bounds=(1, 2)),
        "near": Place(2, second=True, bounds=(1, 2), tied=True),
        "far": Place(3, bounds=(3, 3), tied=False),
    }


def test_samples_are_paired(tmp_path: Path) -> None:
    """Intervals that overlap widely do not make a tie: the runs fail on the same images, one of them a little more."""
    right = truths(1000)
    better, worse = answers(right), answers(spoiled(right, 0.04))
    board, _ = weighed([make_run(tmp_path / "a", {"colours": better}), make_run(tmp_path / "b", {"colours": worse})])
    one, other = (entry.run.tasks["colours"].primary["ci95"] for entry in board.ranked)
    assert one[0] < other[1] - 0.02
    assert places(board)["b"].tied is False


def test_images_are_the_units(tmp_path: Path) -> None:
    """The same 40 losses are noise if they lie in a few images, and a difference if they are spread."""
    rows = np.ones(1000, dtype=bool)
    together, apart = rows.copy(), rows.copy()
    together[:40] = False  # two images of fifty
    apart[::25] = False
    for name, values, tied in (("together", together, True), ("apart", apart, False)):
        pair = {"perfect": rows, "losing": values}
        board, _ = weighed(
            [make_run(tmp_path / name / run, {"colours": answers(right, each=20)}) for run, right in pair.items()]
        )
        assert places(board)["losing"].tied is tied


def test_equal_answers_are_both_best(tmp_path: Path) -> None:
    right = truths(300)
    board, _ = weighed([make_run(tmp_path / name, {"colours": answers(right)}) for name in "ab"])
    assert places(board) == {"a": Place(1, bounds=(1, 2)), "b": Place(1, bounds=(1, 2))}


def test_repeated_answers_are_averaged_before_runs_are_paired(tmp_path: Path) -> None:
    right, again = truths(300), spoiled(truths(300), 0.01)
    twice = [*answers(right), *(record.but(id=f"{record.id}{MARK}1") for record in answers(again))]
    made = {"once": answers(spoiled(right, 0.2)), "twice": twice}
    board, problems = weighed([make_run(tmp_path / name, {"colours": rows}) for name, rows in made.items()])
    assert problems == []
    assert places(board) == {"twice": Place(1, bounds=(1, 1)), "once": Place(2, True, (2, 2), tied=False)}


def test_equal_models_are_ties_nearly_always(tmp_path: Path) -> None:
    """Three runs of equal models: the chance that the best is said to be better than any is about alpha."""
    trials, alarms = 30, 0
    for trial in range(trials):
        runs = [
            make_run(tmp_path / f"{trial}-{k}", {"colours": answers(truths(150, seed=3 * trial + k), each=3)})
            for k in range(3)
        ]
        board, _ = weighed(runs)
        alarms += any(place.tied is False for place in places(board).values())
    assert alarms <= 6  # binomial(30, 0.07): P(more than 6) is below 1 %


def test_only_ranked_runs_are_weighed(tmp_path: Path) -> None:
    right = truths(200)
    runs = [
        make_run(tmp_path / "full", {"colours": answers(right)}),
        make_run(tmp_path / "capped", {"colours": answers(right)}, limit=200),
        make_run(tmp_path / "blind", {"colours": answers(right)}, sees_images=False),
    ]
    board, _ = weighed(runs)
    assert [dict(entry.places) for entry in board.entries] == [{"colours": Place(1)}, {}, {}]


def test_runs_without_samples_have_no_ties_and_say_why(tmp_path: Path) -> None:
    right = truths(300)
    found = {"a": right, "b": spoiled(right, 0.01), "c": spoiled(right, 0.02)}
    runs = [make_run(tmp_path / name, {"colours": answers(values)}) for name, values in found.items()]
    (tmp_path / "b" / "colours" / "samples.jsonl").unlink()
    board, problems = weighed(runs)
    assert [(place.tied, place.bounds) for place in places(board).values()] == [
        (None, None),
        (None, None),
        (True, None),
    ]
    (problem,) = problems
    assert problem.startswith("b, colours: ")
    assert "no samples are stored" in problem


def test_samples_of_another_run_are_not_taken_for_this_one_s(tmp_path: Path) -> None:
    right = truths(300)
    runs = [make_run(tmp_path / name, {"colours": answers(values)}) for name, values in (("a", right), ("b", ~right))]
    samples = Path("colours") / "samples.jsonl"
    (tmp_path / "b" / samples).write_bytes((tmp_path / "a" / samples).read_bytes())
    board, (problem,) = weighed(runs)
    assert "metrics.json says" in problem
    assert places(board)["b"].tied is None


def test_samples_that_lack_a_score_are_told_and_do_not_stop_the_table(tmp_path: Path) -> None:
    right = truths(100)
    runs = [make_run(tmp_path / name, {"colours": answers(right)}) for name in "ab"]
    path = tmp_path / "b" / "colours" / "samples.jsonl"
    path.write_text(path.read_text("utf-8").replace('"accuracy"', '"precision"'), "utf-8")
    _, (problem,) = weighed(runs)
    assert "its samples do not give accuracy" in problem


def test_runs_with_other_units_are_not_paired(tmp_path: Path) -> None:
    right = truths(300)
    runs = [make_run(tmp_path / "a", {"colours": answers(right)})]
    runs += [make_run(tmp_path / "b", {"colours": answers(spoiled(right, 0.1), each=3)})]  # the images are others
    board, (problem,) = weighed(runs)
    assert "different clusters" in problem
    assert json.dumps([entry.places["colours"].bounds for entry in board.ranked]) == "[null, null]"
