"""`sqeval leaderboard`: models by tasks."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How to print."""

    TABLE = "table"
    MD = "md"
    CSV = "csv"
    JSON = "json"


def command(
    results: Annotated[Path, typer.Argument(help="Folder of run folders and their baselines.")] = Path("results"),
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.TABLE,
) -> None:
    """Print models by tasks: the primary metric in percent, with the half width of its 95 % interval.

    Runs about different data stand in different tables. Capped runs and runs with errors are shown but not ranked.

    Example: sqeval leaderboard results/ --format md > results/LEADERBOARD.md
    """
    from rich.console import Console
    from rich.text import Text

    from sqeval.errors import UserError
    from sqeval.leaderboard import boards
    from sqeval.report import leaderboard as report
    from sqeval.report.text import plain
    from sqeval.rundir import to_json
    from sqeval.runs import find_runs

    found = find_runs(results)
    for problem in found.problems:
        Console(stderr=True).print(Text(f"left out: {plain(problem)}", style="dim"))
    if not found.runs:
        raise UserError(f"{results}: there is no finished run; `sqeval run --out {results} ...` makes one")
    tables = boards(found.runs)
    if format is Format.TABLE:
        Console().print(report.screen(tables))
    elif format is Format.MD:
        sys.stdout.write(report.as_markdown(tables))
    elif format is Format.CSV:
        sys.stdout.write(report.as_csv(tables))
    else:
        sys.stdout.write(to_json({"rows": report.as_rows(tables)}))
