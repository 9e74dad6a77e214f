"""`sqeval leaderboard`: models by tasks."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sqeval.cli import completion
from sqeval.cli.output import AsJson, print_json


class Format(StrEnum):
    """How to print."""

    TABLE = "table"
    MD = "md"
    CSV = "csv"
    LATEX = "latex"
    HTML = "html"
    JSON = "json"


def command(
    results: Annotated[Path, typer.Argument(help="Folder of run folders and their baselines.")] = Path("results"),
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.TABLE,
    published: Annotated[
        bool, typer.Option("--published", help="Add published scores, with their sources, in a table of their own.")
    ] = False,
    intervals: Annotated[bool, typer.Option("--intervals", help="Show both ends of each 95 % interval.")] = False,
    sort: Annotated[
        str | None,
        typer.Option(help="Order by this task's score and show ranks.", metavar="TASK", autocompletion=completion.task),
    ] = None,
    ties: Annotated[
        bool, typer.Option(help="Read all samples to find ties within noise and intervals of ranks.")
    ] = True,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Print models by tasks: the primary metric in percent, with the half width of its 95 % interval.

    Runs about different data stand in different tables. Capped runs and runs with errors are shown but not ranked.

    Example: sqeval leaderboard results/ --sort gqa --format latex -o table.tex
    """
    import sys

    from rich.console import Console
    from rich.text import Text

    from sqeval.boards import boards
    from sqeval.errors import UserError
    from sqeval.places import weigh
    from sqeval.published import published as published_scores
    from sqeval.report import rows
    from sqeval.report.files import write_text
    from sqeval.report.leaderboard import page
    from sqeval.report.sheet import html, latex, markdown, screen
    from sqeval.report.text import plain
    from sqeval.rundir import to_json
    from sqeval.runs import Found, find_runs

    quoted = published_scores(results) if published else []
    found = find_runs(results) if results.is_dir() or not published else Found()
    if not found.runs and not published:
        raise UserError(f"{results}: there is no finished run; `sqeval run --out {results} ...` makes one")
    tables = boards(found.runs, sort)
    notes = [f"left out: {problem}" for problem in found.problems]
    notes += [] if found.runs else [f"{results}: there is no finished run"]
    aside = Console(stderr=True)
    if ties:
        with aside.status("reading samples for ties and ranks; --no-ties does without"):
            notes += [problem for board in tables for problem in weigh(board)]
    for note in notes:
        aside.print(Text(plain(note), style="dim"))
    shown = page(tables, quoted, intervals=intervals)
    if as_json:
        print_json(rows.as_json(tables, quoted, found.problems))
    elif out is None and format is Format.TABLE:
        Console().print(screen.render(shown))
    forms: dict[Format, Callable[[], str]] = {
        Format.TABLE: lambda: screen.text(shown),
        Format.MD: lambda: markdown.render(shown),
        Format.LATEX: lambda: latex.render(shown),
        Format.HTML: lambda: html.render(shown),
        Format.CSV: lambda: rows.as_csv(tables, quoted),
        Format.JSON: lambda: to_json(rows.as_json(tables, quoted, found.problems)),
    }
    if out is not None:
        write_text(out, forms[format]())
        print(out, file=sys.stderr if as_json else sys.stdout)
    elif not as_json and format is not Format.TABLE:
        print(forms[format](), end="")
