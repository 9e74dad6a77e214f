"""`sqeval models`: which kinds of models there are."""

from __future__ import annotations

import typer

app = typer.Typer(help="List the kinds of models.", no_args_is_help=True, add_completion=False)


@app.callback()
def models() -> None:
    """List the kinds of models that --model takes."""


@app.command("list")
def list_models() -> None:
    """One line for each installed kind of model."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sqeval.errors import UserError
    from sqeval.models.kinds import get_kind, kind_names, source
    from sqeval.report.text import plain

    table = Table("model", "what it is", "package", box=None, header_style="bold")
    for name in kind_names():
        try:
            kind = get_kind(name)
        except UserError as error:  # one broken plugin must not hide the others
            table.add_row(Text(plain(name)), Text(plain(str(error)), style="red"))
        else:
            table.add_row(*(Text(plain(cell)) for cell in (name, kind.description, source(name))))
    Console().print(table)
