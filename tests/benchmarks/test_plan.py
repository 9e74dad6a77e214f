"""The plan's arithmetic: the two rates come out again, and every size is one that a task states."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqeval.registry import get_task

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def script() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        import plan

        assert isinstance(plan, ModuleType)
        return plan


@given(image=st.floats(1e-4, 1), token=st.floats(1e-6, 1e-2))
def test_prices_are_those_that_make_the_rates(script: Any, image: float, token: float) -> None:
    rates = [questions / (image + questions * tokens * token) for questions, tokens in script.SHAPES]
    assert script.prices(*rates) == pytest.approx((image, token), rel=1e-6)


def test_the_suite_is_every_benchmark_of_official_size(script: Any) -> None:
    sizes = {benchmark.name: benchmark.size() for benchmark in script.SUITE}
    assert sizes["gqa"] == (12_578, 398)
    assert sizes["mmbench"] == (4_329, 4_329 // 4)
    assert all(questions == get_task(name).sizes[b.version].samples for b in script.SUITE
               for name, questions in [(b.name, sizes[b.name][0])])  # fmt: skip


def test_a_model_without_anything_else_divides_by_the_gpus(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    free = ["--begin", "0", "--disk", "1e9", "--store", "1e9", "--handing", "0", "--driver", "1e9", "--decode", "9"]
    monkeypatch.setattr(sys, "argv", ["plan.py", "--gpus", "1", "10", *free])
    monkeypatch.setattr(script, "CONSOLE", type(script.CONSOLE)(width=160))
    script.main()
    rows = [line.split("│")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("│ 7B")]
    one, ten = ([cell.strip() for cell in row] for row in rows)
    assert float(one[5].replace(",", "")) == pytest.approx(10 * float(ten[5]), abs=6)
    assert one[6] == ten[6] == "100%"
    assert one[7] == "the model"
