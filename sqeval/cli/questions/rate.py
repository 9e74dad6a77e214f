"""`sqeval questions rate`: sheets for people, and what they said."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqeval.cli.output import AsJson, print_json
from sqeval.cli.questions import options
from sqeval.cli.questions.options import Files

app = typer.Typer(help="Let people rate questions.", no_args_is_help=True, add_completion=False)


@app.command("export")
def export_sheet(
    files: Files,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for sheet and key.", show_default=False)],
    items: Annotated[int, typer.Option(help="Questions in all, as many of each asker.", min=1)] = 120,
    seed: Annotated[int, typer.Option(help="Of choice and order.")] = 0,
) -> None:
    """Write a sheet that hides who asked, in random order; give a copy to each rater.

    Example: sqeval questions rate export mini.questions.jsonl people.questions.jsonl -o rating
    """
    from sqeval.questions.rating import KEY, PAGE, SHEET, export

    number = export(options.read(files, None, None, None), out, items, seed)
    print(f"{out / SHEET} and {out / PAGE}: {number} questions; keep {out / KEY} from the raters")


@app.command("ingest")
def ingest_sheets(
    sheets: Annotated[list[Path], typer.Argument(help="Filled sheets, a rater a file.", show_default=False)],
    key: Annotated[Path, typer.Option(help="rating_key.json of the export.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="ratings.csv to write.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Put the raters' sheets together, and print how far they agree.

    Example: sqeval questions rate ingest ann.csv bob.csv --key rating/rating_key.json -o ratings.csv
    """
    import csv
    import io

    from rich.console import Console
    from rich.table import Table

    from sqeval.questions.rating import ITEMS, OVERALL, alpha, ingest
    from sqeval.report.files import write_text
    from sqeval.report.numbers import NONE

    ratings = ingest(sheets, key)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["qid", "rater", *ITEMS, OVERALL])
    for rating in ratings:
        writer.writerow([rating.qid, rating.rater, *(rating.items.get(name, "") for name in (*ITEMS, OVERALL))])
    write_text(out, text.getvalue())
    table = Table("item", box=None, header_style="bold")
    for heading in ("ratings", "yes", "Krippendorff's alpha"):
        table.add_column(heading, justify="right")
    listed = []
    for item in ITEMS:
        given = [(rating.qid, rating.items[item]) for rating in ratings if item in rating.items]
        yes = f"{sum(value for _, value in given) / len(given):.0%}" if given else NONE
        value = alpha(given)
        listed.append({"item": item, "ratings": len(given), "yes": sum(vote for _, vote in given), "alpha": value})
        table.add_row(item, str(len(given)), yes, NONE if value is None else f"{value:.2f}")
    if as_json:
        print_json({"path": out, "items": listed})
        return
    Console().print(table)
    print(out)
