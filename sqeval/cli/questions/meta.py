"""`sqeval questions meta`: do the metrics agree with people?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqeval.cli.output import AsJson, print_json


def command(
    ratings: Annotated[Path, typer.Argument(help="ratings.csv of `rate ingest`.", show_default=False)],
    scores: Annotated[list[Path], typer.Argument(help="Scores of the rated runs: OUT/RUN_ID.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Each metric against the item that it claims to predict: AUC with an interval over images, rank correlation with
    the overall rating, and whether the metric may be called validated.

    Example: sqeval questions meta ratings.csv scores/mini scores/people
    """
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sqeval.questions.comparing import load
    from sqeval.questions.meta import MATCHING, agreement, spearman
    from sqeval.questions.metrics import METRICS
    from sqeval.questions.rating import majority, overall, read_ratings
    from sqeval.report.numbers import NONE

    given = read_ratings(ratings)
    rows = [row for path in scores for row in load(path).questions]
    image_of = {row["qid"]: row["image_id"] for row in rows}
    marks = overall(given)
    table = Table("metric", "item", box=None, header_style="bold")
    for heading in ("AUC", "95 % interval", "n", "rho with overall", ""):
        table.add_column(heading, justify="right")
    listed = []
    for metric, item in MATCHING.items():
        values = {row["qid"]: float(row[metric]) for row in rows if row.get(metric)}
        truth = {qid: bool(vote) for qid, vote in majority(given, item).items()}
        falling = METRICS[metric].direction == "down"
        found = agreement(metric, item, values, truth, image_of, falling=falling)
        if not found.n:
            continue
        rho = spearman(values, marks)
        listed.append({**asdict(found), "validated": found.validated, "rho": rho})
        bounds = NONE if found.low is None or found.high is None else f"{found.low:.2f} to {found.high:.2f}"
        verdict = Text("validated", style="green") if found.validated else Text("unvalidated on this data", style="dim")
        shown = NONE if found.auc is None else f"{found.auc:.2f}"
        table.add_row(metric, item, shown, bounds, str(found.n), NONE if rho is None else f"{rho:.2f}", verdict)
    if as_json:
        print_json(listed)
    else:
        Console().print(table)
