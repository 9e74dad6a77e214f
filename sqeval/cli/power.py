"""`sqeval power`: how many samples a drop needs to be found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqeval.cli import completion
from sqeval.cli.output import AsJson, print_json


def command(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="A finished run, or two that are as different as what will be compared.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="Benchmarks, separated by commas.", show_default="the run's", autocompletion=completion.tasks
        ),
    ] = None,
    effect: Annotated[float, typer.Option(min=1e-3, help="Loss to be found, in points.")] = 1.0,
    n: Annotated[int | None, typer.Option("--n", min=1, help="Show what so many samples find, too.")] = None,
    images: Annotated[int | None, typer.Option(min=2, help="Show what so many images find, too.")] = None,
    alpha: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Rate of false alarms.")] = 0.05,
    power: Annotated[float, typer.Option(min=0.05, max=0.999, help="How often the loss is to be found.")] = 0.8,
    flips: Annotated[
        float, typer.Option(min=0.01, max=100, help="Assumed without a run: percent of answers that change.")
    ] = 6.0,
    design_effect: Annotated[float, typer.Option(min=0.1, help="Assumed without a run: of clustering.")] = 1.5,
    correlation: Annotated[
        float, typer.Option(min=-1, max=0.999, help="Assumed with one run: of its scores with the other's.")
    ] = 0.85,
    as_json: AsJson = False,
) -> None:
    """Say how large a subset, in whole images, has to be for the drop you care about.

    From two runs everything is measured; from one the correlation with the other is assumed; without a run, --task
    names a benchmark and the share of changed answers is assumed.

    Example: sqeval power --task gqa --effect 1.0
    """
    from dataclasses import asdict

    from rich.console import Console
    from rich.text import Text

    from sqeval.planning import Assumed, plans, sizes
    from sqeval.report.power import legend, screen

    console = Console()
    given = Assumed(flips / 100, design_effect, correlation)
    planned = [
        (plan, sizes(plan, effect / 100, alpha=alpha, power=power, units=n, images=images))
        for plan in plans(runs or [], task, given)
    ]
    if as_json:
        rules = {"effect": effect / 100, "alpha": alpha, "power": power}
        print_json({**rules, "tasks": [{**asdict(plan), "sizes": rows} for plan, rows in planned]})
        return
    for plan, rows in planned:
        console.print(screen(plan, rows, effect, alpha, power))
        console.print()
    console.print(Text(legend(alpha, power), style="dim"))
