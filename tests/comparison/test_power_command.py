"""`sqeval power`: planned from a run, from two, from nothing; checked against what a comparison then says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from small_runs import answers, make_run, truths
from typer.testing import CliRunner

from sqeval.cli.app import app
from sqeval.comparing import compare_runs
from sqeval.comparison import Rules
from sqeval.runs import Run


def sqeval(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["power", *map(str, arguments)], prog_name="sqeval", env={"COLUMNS": "100"})


def rows(text: str) -> dict[int, tuple[int, float, int]]:
    """By images: samples, smallest loss found, power in percent."""
    lines = re.findall(r"^ *([\d,]+) +([\d,]+) +([\d.]+) +(\d+) %", text, re.MULTILINE)
    return {int(i.replace(",", "")): (int(n.replace(",", "")), float(m), int(p)) for i, n, m, p in lines}


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Run, Run]:
    right = truths(2000)
    other = right ^ (truths(2000, seed=5, rate=0.06))
    return tuple(make_run(tmp_path / name, {"colours": answers(r)}) for name, r in (("one", right), ("two", other)))  # type: ignore[return-value]


def test_a_benchmark_alone_is_planned_from_stated_assumptions() -> None:
    found = sqeval("--task", "gqa", "--effect", "1")
    assert found.exit_code == 0
    told = " ".join(found.stdout.split())
    assert "12,578 questions on 398 images; assumed: 6 % of the answers change" in told
    assert "design effect 1.5" in told
    # (1.96 + 0.8416)^2 * .06 * 1.5 / .01^2 = 7064 samples, in images of 12578 / 398 = 31.6
    assert rows(found.stdout)[224][0] == 7079
    assert "← needed: --limit 7079" in found.stdout
    assert rows(found.stdout)[398][0] == 12_578


def test_two_runs_give_the_effect_that_their_comparison_states(runs: tuple[Run, Run]) -> None:
    [task] = compare_runs(*runs, Rules()).tasks
    assert task.difference is not None
    assert task.difference.mde is not None
    found = sqeval(runs[0].path, runs[1].path, "--effect", "1")
    assert rows(found.stdout)[400] == (2000, round(100 * task.difference.mde, 2), pytest.approx(35, abs=20))
    assert f"design effect {task.difference.design_effect:.2f}" in found.stdout


def test_one_run_is_planned_with_an_assumed_correlation(runs: tuple[Run, Run]) -> None:
    loose, tight = (sqeval(runs[0].path, "--correlation", str(rho)).stdout for rho in (0.5, 0.875))
    assert rows(loose)[400][1] == pytest.approx(2 * rows(tight)[400][1], abs=0.02)  # sqrt((1 - .5) / (1 - .875)) = 2


def test_a_run_without_a_mistake_tells_no_variance(tmp_path: Path) -> None:
    """Nothing is planned from its standard error of zero: any difference would seem to be found by any sample."""
    perfect = make_run(tmp_path / "perfect", {"colours": answers(truths(2000, rate=1.0))})
    found = sqeval(perfect.path, "--effect", "1")
    told = " ".join(found.stdout.split())
    assert "every image of this run scores the same" in told
    assert "assumed: 6 % of the answers change" in told
    assert min(loss for _, loss, _ in rows(found.stdout).values()) > 0.9


def test_sizes_asked_for_are_shown(runs: tuple[Run, Run]) -> None:
    shown = rows(sqeval(runs[0].path, "--n", "150", "--images", "77").stdout)
    assert shown[30][0] == 150
    assert shown[77][0] == 385


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a run, or name a benchmark"),
        (["--task", "nothing"], "nothing"),
        (["--task", "coco_caption"], "does not state its number"),
        (["/nowhere"], "is not a run folder"),
    ],
)
def test_bad_input_is_one_message(arguments: list[str], message: str) -> None:
    found = sqeval(*arguments)
    assert found.exit_code == 2
    assert message in found.stderr


def test_a_task_that_the_run_lacks_is_named(runs: tuple[Run, Run]) -> None:
    assert "has no task gqa" in sqeval(runs[0].path, "--task", "gqa").stderr
