"""How large a difference a comparison can find, and how many samples a difference needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sqeval.stats.distributions import normal_cdf, normal_quantile


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


def power_of(effect: float, stderr: float, alpha: float = 0.05) -> float:
    """Probability that a two-sided test at `alpha` finds a true difference of `effect`, in either direction."""
    if stderr == 0:
        return 1.0 if effect else alpha
    critical, shift = normal_quantile(1 - alpha / 2), effect / stderr
    return normal_cdf(shift - critical) + normal_cdf(-shift - critical)


@dataclass(frozen=True, slots=True)
class Design:
    """What a comparison of two runs will look like, whatever its size: how noisy one pair is, and how pairs cluster."""

    variance: float
    """Of one unit's difference between the two runs: omega^2 of Miller 2024, eq. 9."""
    design_effect: float
    """Variance of the mean over that of as many independent pairs; about 1 + (m - 1) rho for m units an image."""
    per_image: float
    """Units an image."""

    def stderr(self, images: int) -> float:
        """Standard error of the difference over so many whole images."""
        return math.sqrt(self.variance * self.design_effect / (images * self.per_image))

    def images_for(self, effect: float, alpha: float = 0.05, power: float = 0.8) -> int:
        """Whole images needed to find `effect`."""
        units = needed_n(self.variance * self.design_effect, effect, alpha, power)
        return max(2, math.ceil(units / self.per_image - 1e-9))

    def units(self, images: int) -> int:
        """About how many units so many images hold."""
        return round(images * self.per_image)
