"""How large a difference a comparison can find, and how many samples a difference needs."""

from __future__ import annotations

import math

from sqeval.stats.distributions import normal_quantile


def mde(stderr: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Minimal detectable effect: the true difference that a two-sided test at `alpha` finds with probability `power`.

    `stderr` is that of the paired difference; one from data already contains pairing and clustering.
    """
    return (normal_quantile(1 - alpha / 2) + normal_quantile(power)) * stderr


def needed_n(variance: float, effect: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Independent pairs needed to find `effect` when one pair's difference has `variance` (Miller 2024, eq. 9).

    With K answers a question the variance is omega^2 + sigma_A^2/K_A + sigma_B^2/K_B.
    """
    if effect <= 0:
        raise ValueError(f"an effect above 0 is needed, got {effect}")
    exact = (normal_quantile(1 - alpha / 2) + normal_quantile(power)) ** 2 * variance / effect**2
    return math.ceil(exact - 1e-9)
