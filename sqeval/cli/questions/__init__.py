"""`sqeval questions`: how good are the questions that a model asks? One file a command."""

from __future__ import annotations

import typer

from sqeval.cli.output import JsonCommand
from sqeval.cli.questions import answer, compare, explain, importing, meta, rate, report, score, validate

app = typer.Typer(
    help="Judge the questions that a model asks about images.", no_args_is_help=True, add_completion=False
)
app.command("import")(importing.command)
app.command("answer")(answer.command)
app.command("score")(score.command)
app.command("compare", cls=JsonCommand)(compare.command)
app.add_typer(rate.app, name="rate")
app.command("meta")(meta.command)
app.command("report")(report.command)
app.command("validate")(validate.command)
app.command("explain")(explain.command)
