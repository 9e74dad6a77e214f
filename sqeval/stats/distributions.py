"""Student's t and the normal distribution, from the standard library alone."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_STANDARD = NormalDist()
_MAX_TERMS = 10_000


def normal_cdf(z: float) -> float:
    """P(Z <= z) of the standard normal."""
    return _STANDARD.cdf(z)


def normal_quantile(p: float) -> float:
    """z with P(Z <= z) = p, 0 < p < 1."""
    return _STANDARD.inv_cdf(p)


def t_cdf(t: float, df: float) -> float:
    """P(T <= t) of Student's t with `df` > 0 degrees of freedom; `df` may be infinite (the normal)."""
    if df <= 0:
        raise ValueError(f"degrees of freedom must be positive, got {df}")
    if math.isinf(df):
        return normal_cdf(t)
    if math.isinf(t):
        return 0.0 if t < 0 else 1.0
    square = t * t
    tail = 0.5 * _incomplete_beta(df / (df + square), square / (df + square), df / 2, 0.5)
    return tail if t < 0 else 1.0 - tail


def t_two_sided(t: float, df: float) -> float:
    """P(|T| >= |t|): the two-sided p-value, exact far out in the tails too."""
    return min(1.0, 2 * t_cdf(-abs(t), df))


@lru_cache(maxsize=4096)
def t_quantile(p: float, df: float) -> float:
    """t with P(T <= t) = p, 0 < p < 1."""
    if not 0 < p < 1:
        raise ValueError(f"a probability strictly between 0 and 1 is needed, got {p}")
    if p < 0.5:
        return -t_quantile(1 - p, df)
    if math.isinf(df):
        return normal_quantile(p)
    # The CDF is concave right of 0 and the normal quantile lies left of t's, so Newton's steps rise to the root.
    t = normal_quantile(p)
    for _ in range(_MAX_TERMS):
        step = (p - t_cdf(t, df)) / _t_density(t, df)
        t += step
        if step <= 1e-12 * max(1.0, t):
            break
    return t


def _t_density(t: float, df: float) -> float:
    log_constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    return math.exp(log_constant - (df + 1) / 2 * math.log1p(t * t / df))


def _incomplete_beta(x: float, y: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b); `y` is 1 - x, given because x may round to 1."""
    if x <= 0 or y <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly, use the mirror image
        return 1.0 - _incomplete_beta(y, x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y)
    return math.exp(log_front) * _beta_fraction(x, a, b) / a


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Continued fraction of I_x(a, b) (Abramowitz & Stegun 26.5.8), by Lentz's method."""
    tiny = 1e-300
    d = 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    c, value = 1.0, d
    for m in range(1, _MAX_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 + term * d
            d = 1 / (d if abs(d) > tiny else tiny)
            c = 1 + term / c
            c = c if abs(c) > tiny else tiny
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value
