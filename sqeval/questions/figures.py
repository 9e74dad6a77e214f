"""Figures of the question report as inline SVG; colours are classes, so that they follow the page's theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH = 640
"""Of the viewBox; the page scales it."""


def funnel(steps: Sequence[Mapping[str, object]]) -> Markup:
    """A bar a gate, as long as the share that is left; what was lost stands in the tooltip."""
    height = 26 * len(steps)
    parts = []
    for place, step in enumerate(steps):
        share = float(str(step["share"]))
        lost = step["lost"]
        told = "; ".join(f"{count} {why}" for why, count in lost.items()) if isinstance(lost, Mapping) else ""
        parts.append(
            Markup(
                '<g><title>{} {:.1%}{}</title><text class="label" x="0" y="{}">{}</text>'
                '<rect class="track" x="150" y="{}" width="420" height="16" rx="3"/>'
                '<rect class="fill" x="150" y="{}" width="{:.1f}" height="16" rx="3"/>'
                '<text class="value" x="580" y="{}">{:.1%}</text></g>'
            ).format(
                step["gate"], share, f" (lost: {told})" if told else "", 26 * place + 15,
                str(step["gate"]).replace("_", " "), 26 * place + 3, 26 * place + 3, 420 * share,
                26 * place + 15, share,
            )
        )  # fmt: skip
    return svg(parts, height, "share of questions left after each gate")


@dataclass(frozen=True, slots=True)
class Cell:
    """A rectangle of the treemap."""

    name: str
    group: str
    size: float
    x: float
    y: float
    width: float
    height: float


def treemap(counts: Mapping[tuple[str, str], int], height: float = 260) -> Markup:
    """Question types, grouped by level: areas are shares. Level by level from left to right, types from the top."""
    total = sum(counts.values())
    levels: dict[str, int] = {}
    for (level, _), count in counts.items():
        levels[level] = levels.get(level, 0) + count
    parts, x = [], 0.0
    order = sorted(levels, key=lambda level: -levels[level])
    for number, level in enumerate(order):
        width = WIDTH * levels[level] / total
        y = 0.0
        inside = {kind: count for (own, kind), count in counts.items() if own == level}
        for kind in sorted(inside, key=lambda kind: -inside[kind]):
            tall = height * inside[kind] / levels[level]
            parts.append(_tile(Cell(kind, level, inside[kind], x, y, width, tall), number, total))
            y += tall
        x += width
    return svg(parts, height, "types of questions, by level")


def _tile(cell: Cell, number: int, total: int) -> Markup:
    tile = Markup(
        "<g><title>{}: {}, {:.0f} questions ({:.1%})</title>"
        '<rect class="tile level{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
    ).format(cell.group, cell.name, cell.size, cell.size / total, number, cell.x, cell.y, cell.width, cell.height)
    if cell.width > 8 * len(cell.name) and cell.height > 16:
        tile += Markup('<text class="tilename" x="{:.1f}" y="{:.1f}">{}</text>').format(
            cell.x + 5, cell.y + 14, cell.name.replace("_", " ")
        )
    return tile + Markup("</g>")


def frontier(points: Sequence[tuple[str, float, float]], across: str, up: str, height: float = 280) -> Markup:
    """Quality against diversity: one point a condition, named."""
    left, bottom = 46.0, height - 34
    xs, ys = [point[1] for point in points], [point[2] for point in points]
    x_low, x_high = _edges(xs)
    y_low, y_high = _edges(ys)
    parts = [
        Markup('<line class="axis" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(left, bottom, WIDTH - 10, bottom),
        Markup('<line class="axis" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(left, 8, left, bottom),
        Markup('<text class="label" x="{}" y="{}">{}</text>').format(left + 60, height - 4, across),
        Markup('<text class="label" x="{}" y="{}">{}</text>').format(left + 6, 16, up),
    ]
    for low, high, at in ((x_low, x_high, True), (y_low, y_high, False)):
        for share in (0.0, 0.5, 1.0):
            value = f"{low + share * (high - low):.2f}"
            x, y = (left + share * (WIDTH - left - 60), bottom + 14) if at else (4, bottom - share * (bottom - 26))
            parts.append(Markup('<text class="tick" x="{:.0f}" y="{:.0f}">{}</text>').format(x, y, value))
    for number, (name, right, above) in enumerate(points):
        x = left + (right - x_low) / (x_high - x_low) * (WIDTH - left - 60)
        y = bottom - (above - y_low) / (y_high - y_low) * (bottom - 26)
        parts.append(
            Markup(
                '<g><title>{}: {:.3f}, {:.3f}</title><circle class="dot run{}" cx="{:.1f}" cy="{:.1f}" r="6"/>'
            ).format(name, right, above, number % 8, x, y)
            + Markup('<text class="label" x="{:.1f}" y="{:.1f}">{}</text></g>').format(x + 9, y + 4, name)
        )
    return svg(parts, height, f"{up} against {across}")


def svg(parts: Sequence[Markup], height: float, label: str) -> Markup:
    """A figure that scales with the page and says what it shows."""
    inside = Markup("").join(parts)
    return Markup('<svg class="figure" viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, label, inside
    )


def _edges(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    spread = (high - low) or max(abs(high), 1.0) * 0.2
    return low - 0.15 * spread, high + 0.15 * spread
