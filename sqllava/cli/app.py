"""The `sqllava` command. Each command's module imports Typer alone until it runs, so that help answers at once."""

from __future__ import annotations

import sys

import typer

from sqllava.cli import ask, convert, info, plot, recipe, train
from sqllava.errors import SqLlavaError

EXIT_BAD_INPUT = 2

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="SQ-LLaVA: train it, look into its checkpoints, and let it ask.",
)
for _module, _name in (
    (train, "train"), (recipe, "recipe"), (plot, "plot"), (convert, "convert"), (info, "info"), (ask, "ask"),
):  # fmt: skip
    app.command(_name)(_module.command)


def main() -> None:
    """Console script: expected failures are one message on stderr and exit code 2."""
    try:
        app(prog_name="sqllava")
    except SqLlavaError as error:
        print(f"sqllava: {error}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
