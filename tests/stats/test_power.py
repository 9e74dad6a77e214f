"""Sample sizes and detectable effects against the numbers of Miller 2024."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sqeval.stats import mde, mean, needed_n
from sqeval.stats.differences import compared
from sqeval.stats.pairing import Pairs
from sqeval.stats.power import Design, power_of


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


def test_the_power_at_the_minimal_effect_is_the_power_asked_for() -> None:
    for power in (0.5, 0.8, 0.95):
        assert power_of(mde(0.004, power=power), 0.004) == pytest.approx(power, abs=1e-3)
    assert power_of(0, 0.004) == pytest.approx(0.05)
    assert power_of(0.01, 0) == 1


def test_a_design_counts_whole_images_and_pays_for_clustering() -> None:
    # 969 independent pairs (above), twice as many at a design effect of 2, in images of 30.
    assert Design(1 / 9, 1, 1).images_for(0.03) == 969
    assert Design(1 / 9, 2, 30).images_for(0.03) == math.ceil(2 * 968.7 / 30)
    plan = Design(0.06, 1.5, 31.6)
    assert plan.stderr(398) == pytest.approx(math.sqrt(0.06 * 1.5 / (398 * 31.6)))
    assert mde(plan.stderr(plan.images_for(0.01))) <= 0.01 < mde(plan.stderr(plan.images_for(0.01) - 1))
    assert plan.units(398) == 12_577


def test_the_planned_subset_finds_the_loss_as_often_as_planned() -> None:
    # Differences with a part common to an image; the plan from their variance and design effect, then simulated.
    rng = np.random.default_rng(5)
    within, between, each, loss = 0.09, 0.01, 10, 0.04
    design = Design(within + between, 1 + (each - 1) * between / (within + between), each)
    images = design.images_for(loss)
    found = 0
    for _ in range(600):
        gaps = rng.normal(-loss, between**0.5, (images, 1)) + rng.normal(0, within**0.5, (images, each))
        metric = mean("a", ["-"], ["-"], [0])
        codes = np.repeat(np.arange(images), each)
        both = Pairs(metric, np.zeros((images * each, 1)), gaps.reshape(-1, 1), codes, images)
        found += (compared(both).p or 1) < 0.05
    assert found / 600 == pytest.approx(0.8, abs=0.05)
