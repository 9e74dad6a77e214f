"""Means of means and their error bars, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sqeval.stats import estimate, mean
from sqeval.stats.groups import average, macro_mean


def test_the_macro_mean_by_hand() -> None:
    metric = macro_mean("m", ["1", "2", "3"], ["x", "y", "z"], np.array([1.0, 0.0, 1.0]), ["a", "a", "b"])
    assert estimate(metric).value == 0.75  # (1/2 + 1) / 2, where the pooled mean is 2/3


def test_a_macro_mean_has_its_own_error_bar_not_the_pooled_one() -> None:
    # 2,400 samples in one group, 40 in the other: the small group's error dominates. Groups with images of their own
    # are independent, so the right answer is sqrt(SE_1^2 + SE_2^2) / 2.
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.random(2400) < 0.6, rng.random(40) < 0.5]).astype(float)
    groups = ["large"] * 2400 + ["small"] * 40
    ids = [str(i) for i in range(2440)]
    large = estimate(mean("m", ids[:2400], ids[:2400], values[:2400]))
    small = estimate(mean("m", ids[2400:], ids[2400:], values[2400:]))
    pooled = estimate(mean("m", ids, ids, values))
    macro = estimate(macro_mean("m", ids, ids, values, groups), replicates=4000)
    assert large.stderr
    assert small.stderr
    assert pooled.stderr
    right = math.sqrt(large.stderr**2 + small.stderr**2) / 2
    assert macro.value == pytest.approx((large.value + small.value) / 2)
    assert macro.stderr == pytest.approx(right, rel=0.05)
    assert pooled.stderr < right / 3


def test_groups_that_share_images_are_not_taken_for_independent() -> None:
    # The same answers in both groups: their mean is as uncertain as either, not by the root of two less.
    rng = np.random.default_rng(1)
    values = rng.random(300)
    images = [f"image{i}" for i in range(300)]
    one = estimate(mean("m", images, images, values))
    both = macro_mean("m", [str(i) for i in range(600)], images * 2, np.tile(values, 2), ["a"] * 300 + ["b"] * 300)
    assert estimate(both, replicates=4000).stderr == pytest.approx(one.stderr, rel=0.05)


def test_the_mean_over_tasks_by_hand() -> None:
    got = average([0.01, 0.03], [0.003, 0.004], [1000, 500])
    assert got.value == pytest.approx(0.02)
    assert got.stderr == pytest.approx(0.0025)
    assert got.high - got.value == pytest.approx(1.965 * 0.0025, rel=1e-3)
    with pytest.raises(ValueError, match="no values"):
        average([], [], [])
