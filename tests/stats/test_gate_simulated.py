"""The gate as a whole, simulated: how often it cries wolf, and how often it finds a real loss."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from sqeval.stats import Metric, estimate, holm, mean
from sqeval.stats.differences import compared
from sqeval.stats.gate import Verdict, verdict
from sqeval.stats.pairing import Pairs

ALARMS = (Verdict.REGRESSION, Verdict.IMPROVEMENT)


def pairs(before: NDArray[np.float64], after: NDArray[np.float64]) -> Pairs:
    """Scores of two runs, (images, questions an image)."""
    clusters, each = before.shape
    codes = np.repeat(np.arange(clusters), each)
    name: Metric = mean("accuracy", ["-"], ["-"], [0])
    return Pairs(name, before.reshape(-1, 1), after.reshape(-1, 1), codes, clusters)


def flipped(rng: np.random.Generator, shape: tuple[int, int], worse: float, better: float) -> Pairs:
    """Two runs of a model that is right in 62 %; shares of all questions that change for the worse and the better."""
    before = rng.random(shape) < 0.62
    draw = rng.random(shape)
    after = np.where(before, draw >= worse / 0.62, draw < better / 0.38)
    return pairs(before.astype(float), after.astype(float))


def shocked(rng: np.random.Generator, shape: tuple[int, int]) -> Pairs:
    """A/A: one image in twenty is decoded otherwise and its flips go one way; which run suffers is drawn by image."""
    one = (rng.random(shape) < 0.62).astype(float)
    hit = rng.random((shape[0], 1)) < 0.05
    two = np.where(rng.random(shape) < np.where(hit, 0.5, 0.002), np.where(hit, 0, 1 - one), one)
    swap = rng.random((shape[0], 1)) < 0.5
    return pairs(np.where(swap, two, one), np.where(swap, one, two))


def verdicts(both: list[Pairs]) -> Counter[Verdict]:
    """Of single comparisons, one task each."""
    found = [compared(each) for each in both]
    return Counter(verdict(each, each.p) for each in found)


@pytest.mark.parametrize(
    ("shape", "flips", "trials"),
    [
        ((398, 31), 0.02, 400),  # GQA
        ((500, 1), 0.02, 800),
        ((500, 1), 0.004, 2000),  # a handful of flips: where Student's t takes four of four for certain
        ((15, 20), 0.02, 800),
    ],
)
def test_two_runs_of_one_checkpoint_alarm_no_more_often_than_alpha(
    shape: tuple[int, int], flips: float, trials: int
) -> None:
    rng = np.random.default_rng(round(1000 * flips) + shape[0])
    found = verdicts([flipped(rng, shape, flips, flips) for _ in range(trials)])
    assert sum(found[each] for each in ALARMS) / trials <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / trials)


@pytest.mark.parametrize(("shape", "trials"), [((398, 31), 400), ((500, 18), 400), ((4000, 5), 300)])
def test_alarms_under_shocks_common_to_an_image_stay_at_alpha(shape: tuple[int, int], trials: int) -> None:
    rng = np.random.default_rng(shape[0])
    both = [shocked(rng, shape) for _ in range(trials)]
    found = verdicts(both)
    assert 0.02 <= sum(found[each] for each in ALARMS) / trials <= 0.085
    single = [
        Pairs(each.metric, each.before, each.after, np.arange(len(each.before)), len(each.before)) for each in both
    ]
    apart = verdicts(single)
    assert sum(apart[each] for each in ALARMS) > sum(found[each] for each in ALARMS)


def test_a_loss_of_one_point_on_gqa_is_found_nearly_always() -> None:
    # 398 images with 31 questions, flips 3.5 and 2.5 %: Var(d) = .06 - .01^2, SE = sqrt(.0599 / 12338) = .22 points.
    rng = np.random.default_rng(0)
    trials = [flipped(rng, (398, 31), 0.035, 0.025) for _ in range(300)]
    assert verdicts(trials)[Verdict.REGRESSION] / 300 > 0.97
    assert _unpaired(trials) < 0.3  # what two separate error bars see of it


def test_holm_keeps_the_alarms_of_seven_tasks_at_alpha() -> None:
    rng = np.random.default_rng(2)
    alarms, trials = 0, 300
    for _ in range(trials):
        found = [compared(shocked(rng, (150, 8))) for _ in range(7)]
        adjusted = holm([each.p or 0 for each in found])
        alarms += any(verdict(each, p) in ALARMS for each, p in zip(found, adjusted, strict=True))
    assert alarms / trials <= 0.085


def test_a_fixed_tolerance_would_miss_what_the_gate_finds() -> None:
    # A tolerance of 8.9 standard errors, as one public harness ships it, against a true loss of five points.
    rng = np.random.default_rng(3)
    trials = [flipped(rng, (398, 31), 0.06, 0.01) for _ in range(200)]
    assert verdicts(trials)[Verdict.REGRESSION] == 200
    single = estimate(mean("a", [str(i) for i in range(12_338)], [str(i) for i in range(12_338)], trials[0].before))
    tolerance = 8.9 * (single.stderr or 0) * np.sqrt(2)
    assert np.mean([(each.before - each.after).mean() > tolerance for each in trials]) < 0.05


def _unpaired(trials: list[Pairs]) -> float:
    """Share of the trials that a z-test of two independent runs calls different."""
    return float(np.mean([abs(_z(each)) > 1.96 for each in trials]))


def _z(both: Pairs) -> float:
    n = len(both.before)
    variance = (both.before.var() + both.after.var()) / n
    return float((both.after.mean() - both.before.mean()) / np.sqrt(variance))
