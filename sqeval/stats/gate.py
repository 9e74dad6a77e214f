"""From a difference to a verdict."""

from __future__ import annotations

import math
from enum import StrEnum

from sqeval.stats.differences import Difference


class Verdict(StrEnum):
    """What the comparison of one task comes to."""

    PASS = "pass"
    """Identical, or shown to be no worse than the margin."""
    REGRESSION = "regression"
    IMPROVEMENT = "improvement"
    INCONCLUSIVE = "inconclusive"
    """Too few samples to tell: neither a difference nor its absence is shown."""
    INCOMPARABLE = "incomparable"
    """The two runs did not do the same thing."""


def verdict(
    difference: Difference, p: float | None, *, alpha: float = 0.05, margin: float = 0.01, min_effect: float = 0.0
) -> Verdict:
    """Judge one metric. `p` is adjusted for the other tasks; `margin` and `min_effect` are in the metric's units.

    A significant difference of at least `min_effect` is a regression or an improvement. Without one, the candidate
    passes if the interval excludes a loss of `margin` or more.
    """
    sign = 1 if difference.higher_is_better else -1
    gain = sign * difference.value
    if difference.identical:
        return Verdict.PASS
    if p is not None and p < alpha and abs(gain) >= min_effect and gain != 0:
        return Verdict.REGRESSION if gain < 0 else Verdict.IMPROVEMENT
    worst = difference.low if sign > 0 else difference.high
    if worst is not None and sign * worst > -margin:
        return Verdict.PASS
    return Verdict.INCONCLUSIVE


def units_for(difference: Difference, margin: float) -> int | None:
    """About how many units such a comparison needs until its minimal detectable effect is `margin`."""
    if difference.mde is None or margin <= 0:
        return None
    return math.ceil(difference.n * (difference.mde / margin) ** 2)
