"""`sqeval models`: which kinds of models there are."""

from __future__ import annotations

import typer

from sqeval.cli.output import AsJson, print_json

app = typer.Typer(help="List the kinds of models.", no_args_is_help=True, add_completion=False)


@app.callback()
def models() -> None:
    """List the kinds of models that --model takes."""


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """One line for each installed kind of model.

    Example: sqeval models list
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sqeval.errors import UserError
    from sqeval.models.kinds import get_kind, kind_names, source
    from sqeval.report.text import plain

    rows = []
    for name in kind_names():
        try:
            rows.append({"model": name, "description": get_kind(name).description, "package": source(name)})
        except UserError as error:  # one broken plugin must not hide the others
            rows.append({"model": name, "problem": str(error)})
    if as_json:
        print_json(rows)
        return
    table = Table("model", "what it is", "package", box=None, header_style="bold")
    for row in rows:
        told = Text(plain(row["problem"]), style="red") if "problem" in row else Text(plain(row["description"]))
        table.add_row(Text(plain(row["model"])), told, Text(plain(row.get("package", ""))))
    Console().print(table)
