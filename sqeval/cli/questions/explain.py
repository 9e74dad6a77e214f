"""`sqeval questions explain`: what a number means."""

from __future__ import annotations

from typing import Annotated

import typer

from sqeval.cli.output import AsJson, print_json

_SIGNS = {1: "rise", -1: "fall"}


def command(
    metric: Annotated[str | None, typer.Argument(help="Id such as gr.rauc.", show_default="all in a table")] = None,
    as_json: AsJson = False,
) -> None:
    """Formula, range, source, pitfalls, and how the metric has to react.

    Example: sqeval questions explain gr.rauc
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sqeval.errors import UserError
    from sqeval.questions.metrics import GROUPS, METRICS
    from sqeval.registry import nearest
    from sqeval.report.text import plain

    if metric is not None and metric not in METRICS:
        raise UserError(f"no metric {plain(metric)!r}; {nearest(metric, METRICS)}`sqeval questions explain` lists all")
    if as_json:
        print_json(METRICS[metric] if metric is not None else list(METRICS.values()))
        return
    console = Console()
    if metric is None:
        table = Table("metric", "tier", "better", "formula", box=None, header_style="bold")
        for entry in METRICS.values():
            table.add_row(entry.id, str(entry.tier), entry.direction, Text(entry.formula))
        console.print(table)
        return
    entry = METRICS[metric]
    high = "unbounded" if entry.high is None else f"{entry.high:g}"
    lines = {
        "metric": f"{entry.id}  ({GROUPS[entry.group]}, from tier {entry.tier}, of each {entry.level})",
        "formula": entry.formula,
        "range": f"{entry.low:g} to {high}, better: {entry.direction}",
        "source": entry.citation,
        "needs": entry.needs,
        "pitfalls": entry.pitfalls,
        "must react": ", ".join(
            f"{'rise' if sign > 0 else 'fall'} under {name}" for name, sign in entry.expected.items()
        ),
    }
    for name, text in lines.items():
        if text:
            console.print(Text.assemble((f"{name:<11}", "bold"), text))
