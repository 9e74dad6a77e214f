"""Sample sizes and detectable effects against the numbers of Miller 2024."""

from __future__ import annotations

import math

import pytest

from sqeval.stats import mde, needed_n


def test_the_papers_worked_sample_size() -> None:
    # Variance 1/9 of the difference, effect 3 points, alpha 5 %, power 80 %: 969 questions.
    assert needed_n(1 / 9, 0.03) == 969


@pytest.mark.parametrize(("answers", "effect"), [(1, 0.133), (10, 0.076)])
def test_the_papers_minimal_effects(answers: int, effect: float) -> None:
    # 198 questions, variance 1/6 within each model's answers to one question, K answers each.
    stderr = math.sqrt((1 / 9 + 2 * (1 / 6) / answers) / 198)
    assert mde(stderr) == pytest.approx(effect, abs=5e-4)


def test_sample_size_and_effect_are_inverse() -> None:
    n = needed_n(0.06, 0.01)
    assert mde(math.sqrt(0.06 / n)) == pytest.approx(0.01, rel=1e-3)


def test_no_effect_needs_no_number() -> None:
    with pytest.raises(ValueError, match="above 0"):
        needed_n(0.1, 0)
