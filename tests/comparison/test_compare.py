"""Comparing runs: verdicts, what makes runs incomparable, flips, cells, subsets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_runs import HASHES, answers, make_run, spoiled, truths

from sqeval.baseline import store
from sqeval.comparing import compare_runs
from sqeval.comparison import Rules, RunComparison, TaskComparison, exit_code
from sqeval.runs import Run, load_run
from sqeval.stats.gate import Verdict


@pytest.fixture
def base(tmp_path: Path) -> Run:
    return make_run(tmp_path / "base", {"colours": answers(truths(1200)), "presence": answers(truths(1200))})


def compared(base: Run, other: Run) -> dict[str, TaskComparison]:
    return {task.task: task for task in compare_runs(base, other, Rules()).tasks}


def test_a_run_against_itself_passes_without_any_difference(base: Run) -> None:
    for task in compared(base, base).values():
        assert task.verdict is Verdict.PASS
        assert task.difference is not None
        assert task.difference.identical
        assert (task.difference.value, task.p, task.difference.p) == (0, 1, 1)
        assert task.flips is not None
        assert (task.flips.worse, task.flips.better, task.flips.mcnemar) == ((), (), 1)


def test_a_loss_is_a_regression_and_its_reverse_an_improvement(base: Run, tmp_path: Path) -> None:
    right = truths(1200)
    worse = make_run(
        tmp_path / "worse",
        {"colours": answers(spoiled(right, 0.1)), "presence": answers(spoiled(right, 0.1))},
    )
    there, back = compared(base, worse), compared(worse, base)
    for name in ("colours", "presence"):
        assert there[name].verdict is Verdict.REGRESSION
        assert back[name].verdict is Verdict.IMPROVEMENT
    lost = int(right.sum() - spoiled(right, 0.1).sum())
    difference, flips = there["colours"].difference, there["colours"].flips
    assert difference is not None
    assert flips is not None
    assert difference.value == pytest.approx(-lost / 1200)
    assert (len(flips.worse), len(flips.better)) == (lost, 0)
    assert (flips.worse[0].base_answer, flips.worse[0].candidate_answer) == ("red", "blue")


def test_a_stored_baseline_compares_as_the_run_does(base: Run, tmp_path: Path) -> None:
    worse = make_run(tmp_path / "worse", {"colours": answers(spoiled(truths(1200), 0.05))})
    stored = load_run(store(base, tmp_path / "baselines"))
    direct, kept = compared(base, worse)["colours"], compared(stored, worse)["colours"]
    assert direct.verdict is kept.verdict is Verdict.REGRESSION
    assert direct.difference is not None
    assert kept.difference is not None
    for field in dataclasses.fields(direct.difference):
        one, other = getattr(direct.difference, field.name), getattr(kept.difference, field.name)
        assert one == pytest.approx(other)
    assert direct.flips == kept.flips


def test_p_values_are_adjusted_for_the_tasks_that_were_compared(base: Run, tmp_path: Path) -> None:
    rows = answers(spoiled(truths(1200), 0.01))
    both = compared(base, make_run(tmp_path / "both", {"colours": rows, "presence": rows}))
    alone = compared(base, make_run(tmp_path / "alone", {"colours": rows}))
    raw = {name: task.difference.p for name, task in both.items() if task.difference}
    assert all(p is not None for p in raw.values())
    smallest = min(raw, key=lambda name: raw[name] or 0)
    assert both[smallest].p == pytest.approx(2 * (raw[smallest] or 0))
    assert alone["colours"].p == raw["colours"]


def test_few_samples_are_inconclusive(tmp_path: Path) -> None:
    right = truths(40)
    few = make_run(tmp_path / "few", {"colours": answers(right)})
    other = make_run(tmp_path / "other", {"colours": answers(~right | truths(40, seed=3, rate=0.5))})
    found = compared(few, other)["colours"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.difference is not None
    assert found.difference.mde is not None
    assert found.difference.mde > 0.1


@pytest.mark.parametrize("name", ["data", "prompts", "scorer"])
def test_other_hashes_make_runs_incomparable(base: Run, tmp_path: Path, name: str) -> None:
    other = make_run(tmp_path / "other", {"colours": answers(truths(1200))}, hashes={**HASHES, name: "x" * 64})
    found = compared(base, other)["colours"]
    assert found.verdict is Verdict.INCOMPARABLE
    assert found.reasons == (f"{name} hash",)
    assert found.difference is None


def test_another_task_version_makes_runs_incomparable(base: Run, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", {"colours": answers(truths(1200))}, version="2")
    assert compared(base, other)["colours"].reasons == ("task version (1 and 2)",)


def test_runs_of_a_version_that_is_not_installed_are_not_computed_anew(tmp_path: Path) -> None:
    one, two = (make_run(tmp_path / name, {"colours": answers(truths(50))}, version="0") for name in ("one", "two"))
    found = compared(one, two)["colours"]
    assert found.verdict is Verdict.INCOMPARABLE
    assert "the installed task is version 1, the runs are of version 0" in found.reasons[0]


def test_other_samples_make_runs_incomparable(base: Run, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", {"colours": answers(truths(1200))[:1000]})
    assert compared(base, other)["colours"].reasons == (
        "200 of 1200 sample ids are in one run alone; --allow-partial compares the others",
    )


def test_a_limited_run_is_compared_on_the_samples_that_it_has(base: Run, tmp_path: Path) -> None:
    kept = answers(spoiled(truths(1200), 0.3))[300:800]
    found = compared(base, make_run(tmp_path / "small", {"colours": kept}, limit=500))["colours"]
    assert found.verdict is Verdict.REGRESSION
    assert found.subset == (500, 1200)
    assert found.difference is not None
    assert (found.difference.n, found.difference.clusters) == (500, 100)
    assert found.difference.base == pytest.approx(truths(1200)[300:800].mean())


def test_limited_runs_without_a_common_sample_are_incomparable(base: Run, tmp_path: Path) -> None:
    rows = answers(truths(1200))
    one = make_run(tmp_path / "one", {"colours": rows[:500]}, limit=500)
    two = make_run(tmp_path / "two", {"colours": rows[500:]}, limit=500)
    assert compared(one, two)["colours"].verdict is Verdict.INCOMPARABLE


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text[: len(text) // 2], "of 1200 samples"),
        (lambda text: text.replace('"cluster":"image00007"', '"cluster":"image00008"', 1), "different clusters"),
        (lambda text: "nonsense\n" + text, "samples.jsonl:1"),
    ],
)
def test_damaged_samples_are_reported(base: Run, tmp_path: Path, damage: Callable[[str], str], reason: str) -> None:
    other = make_run(tmp_path / "other", {"colours": answers(truths(1200)), "presence": answers(truths(1200))})
    samples = other.path / "colours" / "samples.jsonl"
    samples.write_text(damage(samples.read_text()))
    found = compared(base, load_run(other.path))
    assert found["colours"].verdict is Verdict.INCOMPARABLE
    assert reason in found["colours"].reasons[0]
    assert found["presence"].verdict is Verdict.PASS


def test_the_cell_that_lost_most_comes_first(base: Run, tmp_path: Path) -> None:
    right = truths(1200)
    garden = right.copy()
    garden[600:] = spoiled(right[600:], 0.3)
    rows = answers(garden)
    found = compared(base, make_run(tmp_path / "worse", {"colours": rows, "presence": rows}))
    for name in ("colours", "presence"):  # presence has F1 as primary metric; its cells are those of its accuracy
        first, second = found[name].cells
        assert (first.name, second.name) == ("room=garden", "room=kitchen")
        assert first.gain < 0
        assert first.difference.value == pytest.approx(np.mean(garden[600:]) - np.mean(right[600:]))
        assert second.difference.identical


def test_flips_are_those_of_single_answers_where_the_metric_is_f1(base: Run, tmp_path: Path) -> None:
    # A true negative counts for nothing in F1, but an answer that becomes one has become better.
    rows = answers(~truths(1200))
    found = compared(base, make_run(tmp_path / "turned", {"presence": rows}))["presence"]
    assert found.metric == "f1"
    assert found.flips is not None
    assert len(found.flips.worse) == truths(1200).sum()
    assert len(found.flips.better) == (~truths(1200)).sum()


def test_tasks_that_only_one_run_has_are_named(base: Run, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", {"colours": answers(truths(1200))})
    comparison = compare_runs(base, other, Rules())
    assert [task.task for task in comparison.tasks] == ["colours"]
    assert comparison.missing == ("presence",)


def case(*verdicts: Verdict) -> RunComparison:
    run = Run(Path("x"), {"name": "x"}, {})
    return RunComparison(run, run, tuple(TaskComparison(str(v), "accuracy", v) for v in verdicts), ())


@pytest.mark.parametrize(
    ("cases", "explicit", "code"),
    [
        ([case(Verdict.PASS, Verdict.IMPROVEMENT, Verdict.INCONCLUSIVE)], True, 0),
        ([case(Verdict.PASS, Verdict.REGRESSION)], False, 3),
        ([case(Verdict.INCOMPARABLE, Verdict.REGRESSION)], True, 3),
        ([case(Verdict.PASS, Verdict.INCOMPARABLE)], True, 5),
        ([case(Verdict.PASS, Verdict.INCOMPARABLE)], False, 0),
        ([case(Verdict.PASS), case(Verdict.INCOMPARABLE)], False, 0),
        ([case(Verdict.INCOMPARABLE), case(Verdict.INCOMPARABLE)], False, 5),
        ([case()], True, 5),
        ([case(), case(Verdict.PASS)], False, 0),
    ],
)
def test_exit_codes(cases: list[RunComparison], explicit: bool, code: int) -> None:
    assert exit_code(cases, explicit=explicit) == code


def test_runs_with_repeated_answers_are_compared_question_by_question(base: Run, tmp_path: Path) -> None:
    once = answers(spoiled(truths(1200), 0.1))
    again = [row.but(id=f"{row.id}#epoch=1") for row in answers(truths(1200))]
    found = compared(base, make_run(tmp_path / "twice", {"colours": [*once, *again]}))["colours"]
    assert found.difference is not None
    assert (found.difference.n, found.subset) == (1200, None)
    lost = truths(1200).mean() - spoiled(truths(1200), 0.1).mean()
    assert found.difference.value == pytest.approx(-lost / 2)
