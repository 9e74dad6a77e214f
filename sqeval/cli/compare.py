"""`sqeval compare`: which differences between runs are real."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    paths: Annotated[list[Path], typer.Argument(help="A results folder, one run folder, or several.")],
    baseline: Annotated[str | None, typer.Option(help="Name or folder of the run to compare with.")] = None,
    margin: Annotated[float, typer.Option(min=0.0, help="Loss, in points, that a pass must exclude.")] = 1.0,
    alpha: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Rate of false alarms, over all tasks.")] = 0.05,
    json: Annotated[Path | None, typer.Option(help="Write all numbers and flipped samples to this file.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the tables to this file.")] = None,
) -> None:
    """Compare runs with a baseline: paired by sample, clustered by image.

    The baseline is the one named; of several run folders the first; of a results folder the newest stored baseline
    that sees images, else the oldest run that does. Exit code 0: no regression; 3: regression; 5: not comparable.

    Example: sqeval compare results/ --margin 1.0 --json comparison.json
    """
    from rich.console import Console
    from rich.text import Text

    from sqeval.compare import compare_runs
    from sqeval.comparison import Rules, exit_code
    from sqeval.matchup import match
    from sqeval.report.comparison import as_json, as_markdown, legend, screen, tally
    from sqeval.report.files import write_text
    from sqeval.report.text import plain
    from sqeval.rundir import to_json

    rules = Rules(alpha=alpha, margin=margin)
    found = match(paths, baseline)
    comparisons = [compare_runs(found.baseline, candidate, rules) for candidate in found.candidates]
    if json:
        write_text(json, to_json(as_json(comparisons, rules, found.notes)))
    if markdown:
        write_text(markdown, as_markdown(comparisons, rules, found.notes))
    console = Console()
    for comparison in comparisons:
        console.print(screen(comparison, rules))
        console.print()
    for note in found.notes:
        console.print(Text(f"left out: {plain(note)}", style="dim"))
    console.print(Text(legend(rules), style="dim"))
    console.print(Text(f"In all: {tally(comparisons)}.", style="bold"))
    raise typer.Exit(exit_code(comparisons, explicit=found.explicit))
