"""Paired, clustered differences: closed forms, false alarms under shocks common to an image, few clusters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sqeval.stats import Metric, difference, estimate, mean
from sqeval.stats.differences import FEW_CLUSTERS
from sqeval.stats.distributions import t_two_sided
from sqeval.stats.metric import Floats

scores = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=50)


def f1(sums: Floats) -> Floats:
    tp, fp, fn = np.moveaxis(sums, -1, 0)
    return np.asarray(2 * tp / (2 * tp + fp + fn))


def names(n: int) -> list[str]:
    return [str(i) for i in range(n)]


def singles(values: list[float] | Floats) -> Metric:
    return mean("accuracy", names(len(values)), names(len(values)), values)


@given(scores)
def test_the_paired_error_follows_from_both_errors_and_their_correlation(pairs: list[tuple[float, float]]) -> None:
    # Miller 2024, eq. 7: Var(A - B) = Var(A) + Var(B) - 2 SE(A) SE(B) Corr(A, B)
    a, b = singles([p[0] for p in pairs]), singles([p[1] for p in pairs])
    got, before, after = difference(a, b), estimate(a), estimate(b)
    assert got.value == pytest.approx(after.value - before.value, abs=1e-12)
    assert before.stderr is not None
    assert after.stderr is not None
    assert got.stderr is not None
    common = 2 * before.stderr * after.stderr * (got.correlation or 0)
    assert got.stderr**2 == pytest.approx(before.stderr**2 + after.stderr**2 - common, abs=1e-9)


@given(scores)
def test_swapping_the_runs_changes_the_sign_alone(pairs: list[tuple[float, float]]) -> None:
    a, b = singles([p[0] for p in pairs]), singles([p[1] for p in pairs])
    there, back = difference(a, b), difference(b, a)
    assert there.value == pytest.approx(-back.value, abs=1e-12)
    assert there.low == pytest.approx(-(back.high or 0), abs=1e-12)
    assert there.p == pytest.approx(back.p)


@pytest.mark.parametrize("n", [2, 30, 500])
def test_a_run_against_itself_differs_by_nothing(n: int) -> None:
    rng = np.random.default_rng(n)
    images = [f"image{i}" for i in rng.integers(0, max(2, n // 3), n)]
    images[:2] = ["image0", "image1"]
    accuracy = mean("accuracy", names(n), images, rng.random(n))
    ratio = Metric("f1", names(n), images, rng.integers(1, 3, (n, 3)).astype(float), f1)
    for metric in (accuracy, ratio):
        got = difference(metric, metric)
        assert (got.value, got.stderr, got.low, got.high, got.p, got.identical) == (0, 0, 0, 0, 1, True)


def test_pairs_are_joined_on_ids_not_on_positions() -> None:
    rng = np.random.default_rng(0)
    values, order = rng.random(60), rng.permutation(60)
    images = [f"image{i // 3}" for i in range(60)]
    a = mean("accuracy", names(60), images, values)
    shuffled = mean("accuracy", [names(60)[i] for i in order], [images[i] for i in order], values[order])
    assert difference(a, shuffled).value == pytest.approx(0)
    assert difference(a, shuffled).identical


def test_only_common_ids_are_compared() -> None:
    a = mean("accuracy", ["1", "2", "3"], ["x", "y", "z"], [1, 0, 1])
    b = mean("accuracy", ["3", "4", "2"], ["z", "w", "y"], [0, 1, 0])
    got = difference(a, b)
    assert (got.n, got.base, got.candidate, got.value) == (2, 0.5, 0, -0.5)
    nothing = difference(a, mean("accuracy", ["9"], ["q"], [1]))
    assert nothing.n == 0
    assert math.isnan(nothing.value)
    assert nothing.p is None


def test_units_that_cannot_be_paired_are_refused() -> None:
    a = mean("accuracy", ["1", "2"], ["x", "y"], [1, 0])
    with pytest.raises(ValueError, match="different clusters"):
        difference(a, mean("accuracy", ["1", "2"], ["x", "z"], [1, 0]))
    with pytest.raises(ValueError, match="different columns"):
        difference(a, Metric("f1", ["1", "2"], ["x", "y"], np.zeros((2, 3)), f1))


def test_one_cluster_gives_a_difference_without_error_bar() -> None:
    got = difference(mean("a", ["1", "2"], ["x", "x"], [1, 1]), mean("a", ["1", "2"], ["x", "x"], [0, 1]))
    assert (got.value, got.stderr, got.p, got.mde) == (-0.5, None, None, None)


def test_a_constant_loss_in_every_cluster_is_not_infinitely_certain() -> None:
    # The standard error is 0; the p-value is that of the permutation, which cannot be 0.
    got = difference(singles(np.ones(60)), singles(np.zeros(60)))
    assert got.stderr == 0
    assert got.p == pytest.approx(1e-4)


def test_rounding_errors_are_no_evidence() -> None:
    # Two runs that answer differently, with the same counts in every image: no difference, up to the last bit.
    images = [f"image{i // 3}" for i in range(300)]
    columns = np.tile([[0.1, 0.3, 0.0], [0.7, 0.0, 0.2], [0.0, 0.3, 0.1]], (100, 1))
    turned = np.tile([[0.0, 0.3, 0.1], [0.1, 0.3, 0.0], [0.7, 0.0, 0.2]], (100, 1))
    got = difference(Metric("f1", names(300), images, columns, f1), Metric("f1", names(300), images, turned, f1))
    assert not got.identical
    assert got.value == pytest.approx(0, abs=1e-12)
    assert (got.stderr, got.p) == (0, 1)


def test_few_clusters_take_the_exact_sign_flip_distribution() -> None:
    # Four clusters that all lose: of the 16 sign patterns two are as extreme, p = 1/8, whatever t says.
    got = difference(singles([1, 1, 1, 1]), singles([0.5, 0.45, 0.55, 0.5]))
    assert got.p == 1 / 8


def test_few_flips_among_many_clusters_take_the_exact_distribution_too() -> None:
    # Four answers of 500 change, all for the worse: t gives .046, a coin gives 1/8.
    after = np.ones(500)
    after[[3, 77, 200, 450]] = 0
    got = difference(singles(np.ones(500)), singles(after))
    assert got.p == 1 / 8
    assert t_two_sided(got.value / (got.stderr or 1), 499) < 0.05


def test_the_same_draw_serves_both_sides_of_a_bootstrap() -> None:
    # Nearly equal runs: unpaired draws would give the error of two independent runs.
    rng = np.random.default_rng(3)
    columns = rng.integers(0, 2, (900, 3)).astype(float)
    other = columns.copy()
    other[:3] = 1 - other[:3]
    images = [f"image{i // 3}" for i in range(900)]
    a, b = Metric("f1", names(900), images, columns, f1), Metric("f1", names(900), images, other, f1)
    alone, together = estimate(a), difference(a, b)
    assert alone.stderr is not None
    assert together.stderr is not None
    assert together.stderr < alone.stderr / 5


def test_the_bootstrap_difference_of_a_mean_agrees_with_its_closed_form() -> None:
    rng = np.random.default_rng(4)
    images = [f"image{i // 4}" for i in range(800)]
    a, b = rng.random(800), rng.random(800)
    closed = difference(mean("m", names(800), images, a), mean("m", names(800), images, b))
    ones = np.ones(800)
    drawn = difference(
        Metric("m", names(800), images, np.stack([a, ones], 1), lambda s: s[..., 0] / s[..., 1]),
        Metric("m", names(800), images, np.stack([b, ones], 1), lambda s: s[..., 0] / s[..., 1]),
        replicates=4000,
    )
    assert drawn.stderr == pytest.approx(closed.stderr, rel=0.08)
    assert drawn.p == pytest.approx(closed.p, abs=0.05)


def shocked(rng: np.random.Generator, clusters: int, each: int) -> tuple[Metric, Metric]:
    """Two runs of one model: in 5 % of the images all flips go one way, as another image decoder would make them.

    Which of the two runs suffers is drawn for each image, so that there is no difference to be found.
    """
    one = (rng.random((clusters, each)) < 0.65).astype(float)
    shocks = rng.random((clusters, 1)) < 0.05
    flips = rng.random((clusters, each)) < np.where(shocks, 0.5, 0.01)
    two = np.where(flips, np.where(shocks, 0, 1 - one), one)
    swapped = rng.random((clusters, 1)) < 0.5
    first, second = np.where(swapped, two, one), np.where(swapped, one, two)
    ids, images = names(clusters * each), [f"image{i}" for i in range(clusters) for _ in range(each)]
    return mean("accuracy", ids, images, first.ravel()), mean("accuracy", ids, images, second.ravel())


@pytest.mark.parametrize(("clusters", "each", "trials"), [(200, 15, 800), (20, 15, 500)])
def test_false_alarms_under_image_level_shocks_stay_at_alpha(clusters: int, each: int, trials: int) -> None:
    rng = np.random.default_rng(clusters)
    alarms = unclustered = 0
    for _ in range(trials):
        a, b = shocked(rng, clusters, each)
        p = difference(a, b).p
        assert p is not None
        alarms += p < 0.05
        single = difference(mean("a", a.ids, a.ids, a.columns), mean("a", b.ids, b.ids, b.columns)).p or 0
        unclustered += single < 0.05
    if clusters >= FEW_CLUSTERS:
        assert 0.02 <= alarms / trials <= 0.08
        assert unclustered / trials > 0.15  # pairing alone is not enough
    else:
        assert alarms / trials <= 0.08  # a permutation of few, mostly unchanged clusters is conservative


def as_f1(accuracy: Metric, truth: NDArray[np.bool_]) -> Metric:
    right = accuracy.columns > 0
    columns = np.hstack([truth & right, ~truth & ~right, truth & ~right]).astype(float)
    return Metric("f1", accuracy.ids, accuracy.clusters, columns, f1)


def test_false_alarms_of_the_bootstrap_stay_at_alpha() -> None:
    rng = np.random.default_rng(7)
    alarms, trials = 0, 600
    for _ in range(trials):
        a, b = shocked(rng, 120, 10)
        truth = rng.random((1200, 1)) < 0.5

        p = difference(as_f1(a, truth), as_f1(b, truth), replicates=300).p
        assert p is not None
        alarms += p < 0.05
    assert 0.02 <= alarms / trials <= 0.08


def test_power_is_what_the_formula_says() -> None:
    # A true loss as large as the minimal detectable effect is found with probability 0.8.
    rng = np.random.default_rng(8)
    found, trials, effects = 0, 800, []
    for _ in range(trials):
        gaps = rng.normal(-0.028, 0.1, 100)
        got = difference(singles(np.zeros(100)), singles(gaps))
        assert got.p is not None
        assert got.mde is not None
        effects.append(got.mde)
        found += got.p < 0.05
    assert np.mean(effects) == pytest.approx(0.028, rel=0.03)
    assert found / trials == pytest.approx(0.79, abs=0.05)
