"""K answers to one question are averaged first: the questions are what was sampled."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sqeval.stats import difference, estimate, mean
from sqeval.stats.repeats import answer_variance, averaged


def names(n: int) -> list[str]:
    return [str(i) for i in range(n)]


def test_repeats_become_their_questions_mean() -> None:
    metric = averaged(mean("a", ["q1", "q2", "q1", "q3"], ["x", "y", "x", "z"], [1, 0, 0, 1]))
    assert (metric.ids, metric.clusters, metric.columns.tolist()) == (
        ["q1", "q2", "q3"],
        ["x", "y", "z"],
        [[0.5], [0.0], [1.0]],
    )


def test_four_equal_answers_are_one() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2, 80).astype(float)
    once = mean("a", names(80), names(80), values)
    often = mean("a", names(80) * 4, names(80) * 4, np.tile(values, 4))
    assert estimate(often) == estimate(once)
    other = mean("a", names(80), names(80), 1 - values)
    assert difference(often, other) == difference(once, other)


def test_the_error_bar_is_that_of_the_variance_decomposition() -> None:
    # Miller 2024, eq. 4: Var(mean) = (Var(x) + E[sigma^2] / K) / n, here with x uniform on 0..1: Var(x) = 1/12 and
    # E[x (1 - x)] = 1/6.
    rng = np.random.default_rng(1)
    n, k = 40_000, 4
    answers = (rng.random((k, n)) < rng.random(n)).astype(float)
    metric = mean("a", names(n) * k, names(n) * k, answers.ravel())
    assert estimate(metric).stderr == pytest.approx(math.sqrt((1 / 12 + 1 / 6 / k) / n), rel=0.02)
    assert answer_variance(metric) == pytest.approx(1 / 6, rel=0.02)


def test_single_answers_tell_nothing_about_the_noise_of_answers() -> None:
    assert answer_variance(mean("a", ["1", "2"], ["x", "y"], [0, 1])) is None


def test_a_question_cannot_be_in_two_clusters() -> None:
    with pytest.raises(ValueError, match="different clusters"):
        averaged(mean("a", ["q", "q"], ["x", "y"], [0, 1]))
