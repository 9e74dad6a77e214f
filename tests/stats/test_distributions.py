"""Against published tables and closed forms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqeval.stats.distributions import normal_cdf, normal_quantile, t_cdf, t_quantile, t_two_sided

# Upper 2.5 % and 0.5 % points of Student's t, as printed in any statistics textbook.
TABLE = [
    (1, 12.706, 63.657),
    (2, 4.303, 9.925),
    (4, 2.776, 4.604),
    (10, 2.228, 3.169),
    (30, 2.042, 2.750),
    (120, 1.980, 2.617),
    (1000, 1.962, 2.581),
    (math.inf, 1.960, 2.576),
]


@pytest.mark.parametrize(("df", "p975", "p995"), TABLE)
def test_quantiles_are_those_of_the_tables(df: float, p975: float, p995: float) -> None:
    assert t_quantile(0.975, df) == pytest.approx(p975, abs=6e-4)
    assert t_quantile(0.995, df) == pytest.approx(p995, abs=6e-4)
    assert t_quantile(0.025, df) == -t_quantile(0.975, df)


@given(st.floats(-50, 50))
def test_one_and_two_degrees_of_freedom_have_closed_forms(t: float) -> None:
    assert t_cdf(t, 1) == pytest.approx(0.5 + math.atan(t) / math.pi, abs=1e-12)
    assert t_cdf(t, 2) == pytest.approx(0.5 + t / (2 * math.sqrt(2 + t * t)), abs=1e-12)


@given(st.floats(0.001, 0.999), st.integers(1, 50_000))
def test_the_quantile_inverts_the_distribution(p: float, df: int) -> None:
    assert t_cdf(t_quantile(p, df), df) == pytest.approx(p, abs=1e-9)


@given(st.floats(-4, 4))
def test_many_degrees_of_freedom_approach_the_normal(t: float) -> None:
    assert t_cdf(t, 1e6) == pytest.approx(normal_cdf(t), abs=1e-6)


def test_tails_do_not_cancel() -> None:
    # P(|T| >= t) of the Cauchy distribution is about 2 / (pi t); one minus the CDF would lose it.
    assert t_two_sided(1e12, 1) == pytest.approx(2 / (math.pi * 1e12), rel=1e-9)
    assert 0 < t_two_sided(12, 5000) < 1e-30
    assert t_two_sided(0, 7) == 1


def test_infinite_t_and_impossible_arguments() -> None:
    assert t_cdf(math.inf, 3) == 1
    assert t_cdf(-math.inf, 3) == 0
    assert normal_quantile(0.975) == pytest.approx(1.959964, abs=1e-6)
    with pytest.raises(ValueError, match="degrees of freedom"):
        t_cdf(1, 0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        t_quantile(1, 5)
