"""Tests and corrections against hand computation and exact enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqeval.stats import holm, mcnemar
from sqeval.stats.metric import Floats
from sqeval.stats.significance import swap_test


def first_column(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0])


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(worse: int, better: int) -> None:
    n, k = worse + better, min(worse, better)
    exact = min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)
    assert mcnemar(worse, better) == pytest.approx(exact, rel=1e-9)


def test_mcnemar_of_identical_runs_and_of_huge_ones() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(1, 0) == 1
    assert mcnemar(60_000, 60_000) == 1
    z = 1000 / math.sqrt(101_000)
    assert mcnemar(50_000, 51_000) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=0.02)


def test_holm_by_hand() -> None:
    # Sorted .01 .02 .03 .04: times 4, 3, 2, 1 and never falling: .04 .06 .06 .06
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.01, 0.01, 0.9]) == pytest.approx([0.03, 0.03, 0.9])
    assert holm([0.7, 0.8]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_its_definition_rejects(pvalues: list[float]) -> None:
    alpha, adjusted = 0.05, holm(pvalues)
    rejected = set()
    for rank, index in enumerate(sorted(range(len(pvalues)), key=lambda i: pvalues[i])):
        if pvalues[index] * (len(pvalues) - rank) > alpha:
            break
        rejected.add(index)
    assert {i for i, p in enumerate(adjusted) if p <= alpha} == rejected
    assert all(a >= p for a, p in zip(adjusted, pvalues, strict=True))


def test_sign_flips_agree_with_enumeration() -> None:
    gaps = np.array([0.5, -0.1, 0.7, 0.2, 0.4, -0.3, 0.6, 0.1])
    extreme = [
        abs(np.dot(signs, gaps)) >= abs(gaps.sum()) - 1e-12 for signs in itertools.product((-1, 1), repeat=len(gaps))
    ]
    base, candidate = np.zeros((8, 1)), gaps[:, None]
    got = swap_test(base, candidate, first_column, replicates=40_000)
    assert got == pytest.approx(np.mean(extreme), abs=0.01)


def test_swapping_within_clusters_serves_ratios_too() -> None:
    # In every cluster the candidate has the same ratio as the base, of larger counts: no difference at all.
    base = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
    assert swap_test(base, 5 * base, lambda s: s[..., 0] / s[..., 1]) == 1


def test_a_permutation_never_gives_zero() -> None:
    assert swap_test(np.zeros((30, 1)), np.ones((30, 1)), first_column, replicates=999) == pytest.approx(0.001)
