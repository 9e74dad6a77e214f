"""The verdict's rules, one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sqeval.stats import Difference
from sqeval.stats.gate import Verdict, units_for, verdict

NEUTRAL = Difference(0.8, 0.8, 0.0, 0.002, -0.004, 0.004, 1.0, 0.0056, 1000, 200, identical=False)


def moved(value: float, *, lower_is_better: bool = False) -> Difference:
    low, high = value - 0.004, value + 0.004
    return replace(NEUTRAL, value=value, low=low, high=high, higher_is_better=not lower_is_better)


@pytest.mark.parametrize(
    ("difference", "p", "expected"),
    [
        (moved(-0.02), 0.001, Verdict.REGRESSION),
        (moved(+0.02), 0.001, Verdict.IMPROVEMENT),
        (moved(-0.02), 0.2, Verdict.INCONCLUSIVE),
        (moved(-0.005), 0.2, Verdict.PASS),  # lower bound -0.9 points: a loss of one point is excluded
        (moved(-0.006), 0.2, Verdict.INCONCLUSIVE),  # lower bound -1.0 points: not excluded
        (moved(-0.005), 0.01, Verdict.REGRESSION),  # small, but certain
        (moved(+0.02, lower_is_better=True), 0.001, Verdict.REGRESSION),
        (moved(-0.02, lower_is_better=True), 0.001, Verdict.IMPROVEMENT),
        (moved(+0.005, lower_is_better=True), 0.2, Verdict.PASS),
    ],
)
def test_rules(difference: Difference, p: float, expected: Verdict) -> None:
    assert verdict(difference, p) is expected


def test_identical_runs_pass_even_without_an_error_bar() -> None:
    same = replace(NEUTRAL, low=None, high=None, p=None, identical=True)
    assert verdict(same, None) is Verdict.PASS
    assert verdict(replace(same, identical=False), None) is Verdict.INCONCLUSIVE


def test_a_significant_loss_below_the_smallest_effect_of_interest_is_no_regression() -> None:
    assert verdict(moved(-0.005), 0.001, min_effect=0.007) is Verdict.PASS
    assert verdict(moved(-0.008), 0.001, min_effect=0.007) is Verdict.REGRESSION


def test_units_grow_with_the_square_of_the_effect() -> None:
    assert units_for(replace(NEUTRAL, mde=0.02), 0.01) == 4000
    assert units_for(replace(NEUTRAL, mde=None), 0.01) is None
