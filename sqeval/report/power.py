"""The table of `sqeval power`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqeval.planning import Plan, Size
from sqeval.report.numbers import count
from sqeval.report.text import plain

if TYPE_CHECKING:
    from rich.console import RenderableType


def screen(plan: Plan, rows: Sequence[Size], effect: float, alpha: float, power: float) -> RenderableType:
    """One task's sizes; `effect` in points."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, 1), pad_edge=False)
    for heading in ("images", "samples", "finds a loss of", f"power for {effect:g}"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        found = f"{100 * row.mde:.2f}"
        cells = (count(row.images), count(row.units), found, f"{100 * row.power:.0f} %", _remark(plan, row))
        table.add_row(*map(Text, cells), style="bold" if row.needed else "")
    title = Text(f"{plain(plan.task)} {plain(plan.metric)}", style="bold")
    return Group(title, Text(plan.source, style="dim"), table)


def legend(alpha: float, power: float) -> str:
    """What the columns mean, and what is assumed throughout."""
    return (
        f"Points; paired by sample, whole images drawn at random, two-sided test at {100 * alpha:g} %, "
        f"power {100 * power:g} %. Several tasks in one comparison need somewhat more (Holm)."
    )


def _remark(plan: Plan, row: Size) -> str:
    whole = "all" if row.images == plan.images else ""
    if not row.needed:
        return whole
    return f"← needed: --limit {row.units}" if row.images <= plan.images else "← needed: more than there are"
