"""`sqeval data`: is a folder ready to be evaluated on, and folders made from others."""

from __future__ import annotations

import typer

from sqeval.cli import data_check, data_prepare

app = typer.Typer(help="Check a data folder, or make one.", no_args_is_help=True, add_completion=False)
app.command("check")(data_check.command)
app.command("prepare")(data_prepare.command)
