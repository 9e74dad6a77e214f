"""Small charts as inline SVG: horizontal, in percent of their own width, so that they stay crisp at any size.

Colours are classes of report.css, which knows the dark theme; text stands beside the charts, in the page's own font.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

Interval = tuple[float, float] | None

BAR, GAP = 9, 3
"""Height of a bar and the space between two, in pixels."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What the left and the right edge of a chart stand for; `low` < `high`."""

    low: float
    high: float

    def at(self, value: float) -> str:
        """Where `value` is, ``37.5%``; values beyond an edge are at the edge."""
        share = (value - self.low) / (self.high - self.low)
        return f"{100 * min(1.0, max(0.0, share)):.2f}%"

    def ticks(self) -> list[float]:
        """Edges and middle."""
        return [self.low, (self.low + self.high) / 2, self.high]


def scale_of(values: Iterable[float | None]) -> Scale:
    """From 0 to 1, or to a round number above the largest value where that is larger (CIDEr)."""
    top = max((value for value in values if value is not None), default=1.0)
    return Scale(0.0, max(1.0, _round_up(top)))


def scale_of_differences(values: Iterable[float | None]) -> Scale:
    """Symmetric about 0, to a round number; at least ±1 point."""
    reach = max((abs(value) for value in values if value is not None), default=0.0)
    edge = max(0.01, _round_up(reach))
    return Scale(-edge, edge)


def bars(values: Sequence[tuple[float | None, Interval]], scale: Scale, label: str) -> Markup:
    """One bar a run with its interval as a whisker; the runs' colours are ``run0``, ``run1``, ..."""
    parts = []
    for place, (value, interval) in enumerate(values):
        top = place * (BAR + GAP)
        if value is not None:
            parts.append(
                Markup('<rect class="bar run{}" x="0" y="{}" width="{}" height="{}" rx="1.5"/>').format(
                    place, top, scale.at(value), BAR
                )
            )
            parts.append(_whisker(interval, scale, top + BAR / 2))
    return _svg(parts, len(values) * (BAR + GAP) - GAP, label)


def points(values: Sequence[tuple[float | None, Interval]], scale: Scale, label: str) -> Markup:
    """One dot a run on its interval."""
    parts = [_line("grid", scale.at(tick), 0, len(values) * (BAR + GAP)) for tick in scale.ticks()]
    for place, (value, interval) in enumerate(values):
        middle = place * (BAR + GAP) + (BAR + GAP) / 2
        if value is not None:
            parts.append(_span(f"interval run{place}", interval, scale, middle))
            parts.append(
                Markup('<circle class="dot run{}" cx="{}" cy="{}" r="4"/>').format(place, scale.at(value), middle)
            )
    return _svg(parts, len(values) * (BAR + GAP), label)


def difference(value: float | None, interval: Interval, scale: Scale, label: str, *, better: int = 1) -> Markup:
    """A difference on its interval about a line at zero; red or green where the interval excludes zero.

    `better` is the sign of a gain.
    """
    height = BAR + GAP
    parts = [_line("zero", scale.at(0.0), 0, height)]
    if value is not None:
        kind = (
            "unclear"
            if interval is None or interval[0] <= 0 <= interval[1]
            else "gain"
            if value * better > 0
            else "loss"
        )
        parts.append(_span(f"interval {kind}", interval, scale, height / 2))
        parts.append(Markup('<circle class="dot {}" cx="{}" cy="{}" r="4"/>').format(kind, scale.at(value), height / 2))
    return _svg(parts, height, label)


def histogram(shares: Sequence[float | None], label: str) -> Markup:
    """One bar a run as long as its share, 0..1."""
    return bars(
        [(share, None) for share in shares], Scale(0.0, max([1e-9, *(share or 0.0 for share in shares)])), label
    )


def _svg(parts: Sequence[Markup], height: float, label: str) -> Markup:
    return Markup('<svg class="chart" width="100%" height="{}" role="img" aria-label="{}">{}</svg>').format(
        height, label, Markup("").join(parts)
    )


def _line(kind: str, x: str, top: float, bottom: float) -> Markup:
    return Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(kind, x, x, top, bottom)


def _span(kind: str, interval: Interval, scale: Scale, y: float) -> Markup:
    if interval is None:
        return Markup("")
    low, high = map(scale.at, interval)
    return Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(kind, low, high, y, y)


def _whisker(interval: Interval, scale: Scale, y: float) -> Markup:
    if interval is None:
        return Markup("")
    ends = [_line("whisker", scale.at(bound), y - 3, y + 3) for bound in interval]
    return _span("whisker", interval, scale, y) + Markup("").join(ends)


def _round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten; 0 for nothing above 0, or next to nothing."""
    if not value >= sys.float_info.min or not math.isfinite(value):  # powers of ten below that are 0
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        step * power for step in (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0) if step * power >= value * (1 - 1e-9)
    )
