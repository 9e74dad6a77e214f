"""The `sqeval` command: loads the module of the command that was typed, and none other.

Each module in this folder defines `command`, a function with Typer annotations, or `app`, a Typer app, for a group of
commands.  They import Typer and the standard library only, so that help answers at once; what a command needs is
imported when it runs.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sqeval import __version__
from sqeval.errors import SqevalError

COMMANDS = (
    "run", "score", "compare", "leaderboard", "report", "view", "baseline", "power", "ask", "questions", "tasks",
    "models", "data", "doctor", "demo",
)  # fmt: skip
"""In the order of the help page."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


class LazyGroup(TyperGroup):
    """A command group that imports `sqeval.cli.NAME` when NAME is asked for, and states expected failures in a line."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return load(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"There are: {', '.join(COMMANDS)}."
            ctx.fail(f"No such command `{args[0]}`. {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SqevalError as error:
            print(f"sqeval: {error}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            print("sqeval: interrupted; the same command continues where it stopped", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None


def load(name: str) -> Any:
    """The Click command of `sqeval.cli.NAME`."""
    module = importlib.import_module(f"sqeval.cli.{name}")
    group = getattr(module, "app", None)
    if group is None:
        group = typer.Typer(add_completion=False)
        group.command(name)(module.command)
    command: Any = typer.main.get_command(group)
    command.name = name
    return command


def _version(wanted: bool) -> None:
    if wanted:
        print(f"sqeval {__version__}")
        raise typer.Exit


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def sqeval(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Evaluate vision-language checkpoints: official scores, honest error bars."""


def main() -> None:
    """Console script."""
    app(prog_name="sqeval")
