"""Numbers as the benchmarks' papers print them: in percent, one decimal (CIDEr times 100 as well)."""

from __future__ import annotations

from collections.abc import Sequence

NONE = "–"
"""Stands for what is not known."""


def percent(value: float | None, decimals: int = 1, scale: int = 100) -> str:
    """0.8123 -> ``81.2``; `scale` is that of a metric."""
    return NONE if value is None else f"{scale * value:.{decimals}f}"


def signed(value: float | None, scale: int = 100) -> str:
    """-0.0123 -> ``−1.2``; a plus for gains."""
    if value is None:
        return NONE
    text = f"{scale * value:+.1f}"
    return text.replace("-", "−") if float(text) else "0.0"


def interval(bounds: Sequence[float] | None) -> str:
    """[0.79, 0.83] -> ``79.0 to 83.0``."""
    return NONE if bounds is None else f"{minus(percent(bounds[0]))} to {minus(percent(bounds[1]))}"


def signed_interval(low: float | None, high: float | None, scale: int = 100) -> str:
    """-0.021, -0.003 -> ``−2.1 to −0.3``."""
    return NONE if low is None or high is None else f"{signed(low, scale)} to {signed(high, scale)}"


def half_width(bounds: Sequence[float] | None) -> str:
    """Half the width of an interval: what stands behind ±."""
    return NONE if bounds is None else f"{50 * (bounds[1] - bounds[0]):.1f}"


def pvalue(p: float | None) -> str:
    """Three decimals, or ``<.001``."""
    if p is None:
        return NONE
    return "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 0.9995 else "1"


def count(number: int | None) -> str:
    """12578 -> ``12,578``."""
    return NONE if number is None else f"{number:,}"


def minus(text: str) -> str:
    """A true minus sign instead of a hyphen."""
    return text.replace("-", "−")
