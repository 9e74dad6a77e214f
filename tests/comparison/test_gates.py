"""Hard gates: errors, unparsed and truncated answers, coverage."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_runs import answers, make_run, truths

from sqeval.comparing import compare_runs
from sqeval.comparison import Rules, TaskComparison
from sqeval.gates import counted, failed_gates
from sqeval.records import Record
from sqeval.runner import counts
from sqeval.stats.gate import Verdict

CLEAN = {"n": 1000, "scored": 1000, "unparsed": 20, "errored": 0, "truncated": 0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"errored": 1}, "1 of 1,000 samples of the run errored (at most 0)"),
        ({"unparsed": 71}, "unparsed answers rose from 2.0 to 7.1 % (at most 5 points more)"),
        ({"truncated": 51}, "truncated answers rose from 0.0 to 5.1 % (at most 5 points more)"),
    ],
)
def test_what_fails_is_told(change: dict[str, int], message: str) -> None:
    assert failed_gates(CLEAN, {**CLEAN, **change}) == (message,)


@pytest.mark.parametrize("change", [{"unparsed": 70}, {"truncated": 50}, {"unparsed": 0}])
def test_up_to_the_limit_everything_holds(change: dict[str, int]) -> None:
    assert failed_gates(CLEAN, {**CLEAN, **change}) == ()


def test_errors_of_the_baseline_fail_too_and_limits_can_be_set() -> None:
    assert len(failed_gates({**CLEAN, "errored": 3}, CLEAN)) == 1
    assert failed_gates({**CLEAN, "errored": 3}, CLEAN, max_errors=3) == ()
    assert failed_gates(CLEAN, {**CLEAN, "unparsed": 400}, max_rise=0.5) == ()


def test_a_part_of_a_run_is_counted_as_the_whole_is() -> None:
    rows = answers(truths(40))
    rows[0] = rows[0].but(error="boom", response=None, parsed=None, finish_reason="error")
    rows[1] = rows[1].but(parsed=None)
    rows[2] = rows[2].but(finish_reason="length")
    whole = counts(rows)
    assert counted(rows) == {name: whole[name] for name in ("n", "errored", "unparsed", "truncated")}


def broken(rows: list[Record], n: int) -> list[Record]:
    """The same answers with the first `n` errored, hence wrong."""
    wrong = dict.fromkeys(rows[0].scores, 0.0)
    gone = {"error": "out of memory", "response": None, "parsed": None, "finish_reason": "error", "scores": wrong}
    return [row.but(**gone) if i < n else row for i, row in enumerate(rows)]


def compared(tmp_path: Path, base: list[Record], other: list[Record], rules: Rules) -> TaskComparison:
    one, two = (make_run(tmp_path / n, {"colours": rows}) for n, rows in (("one", base), ("two", other)))
    [task] = compare_runs(one, two, rules).tasks
    return task


def test_errors_stay_in_the_denominator_and_fail_the_gate(tmp_path: Path) -> None:
    rows = answers(truths(400, rate=1.0))
    task = compared(tmp_path, rows, broken(rows, 100), Rules())
    assert task.verdict is Verdict.INCOMPARABLE
    assert task.gates == ("100 of 400 samples of the run errored (at most 0)",)
    assert task.difference is not None
    assert (task.difference.n, task.difference.candidate) == (400, 0.75)  # dropped, they would leave a score of 1
    assert task.p is None


def test_tolerated_errors_count_as_wrong_answers(tmp_path: Path) -> None:
    rows = answers(truths(400, rate=1.0))
    assert compared(tmp_path, rows, broken(rows, 100), Rules(max_errors=100)).verdict is Verdict.REGRESSION


def test_partial_runs_are_compared_on_request_with_their_coverage(tmp_path: Path) -> None:
    rows = answers(truths(400))
    refused = compared(tmp_path / "a", rows, rows[:300], Rules())
    assert refused.verdict is Verdict.INCOMPARABLE
    assert "--allow-partial" in refused.reasons[0]
    task = compared(tmp_path / "b", rows[100:], rows[:300], Rules(allow_partial=True))
    assert task.verdict is Verdict.PASS
    assert (task.subset, task.coverage) == ((200, 400), 0.5)


def test_an_id_that_occurs_twice_is_damage(tmp_path: Path) -> None:
    rows = answers(truths(40))
    task = compared(tmp_path, rows, [*rows[:39], rows[0]], Rules(allow_partial=True))
    assert task.verdict is Verdict.INCOMPARABLE
    assert "occurs twice" in task.reasons[0]
