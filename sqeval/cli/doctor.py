"""`sqeval doctor`: is everything there that a run needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from sqeval.cli.output import AsJson, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqeval.doctor import Check

COLORS = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def command(
    as_json: AsJson = False,
) -> None:
    """Check Python, packages, devices, Java, tasks, folders and disk, each with the remedy if something is wrong.

    Exit code 0, or 5 if `sqeval run` cannot work.

    Example: sqeval doctor
    """
    from sqeval.doctor import State, examine
    from sqeval.errors import EXIT_INCOMPLETE

    checks = examine()
    blocked = any(check.state is State.PROBLEM for check in checks)
    if as_json:
        print_json({"ok": not blocked, "checks": checks})
    else:
        _print(checks)
    if blocked:
        raise typer.Exit(EXIT_INCOMPLETE)


def _print(checks: Sequence[Check]) -> None:
    """A line a check, with its remedy below; without colours and unbroken where it is not a terminal."""
    from rich.console import Console
    from rich.text import Text

    from sqeval.report.text import plain

    console = Console()
    width = max(len(check.name) for check in checks)
    for check in checks:
        line = Text.assemble(
            f"{check.name:<{width}}  ", (f"{check.state:<7}", COLORS[check.state]), f"  {plain(check.found)}"
        )
        console.print(line, soft_wrap=True)
        if check.remedy:
            console.print(Text(f"{'':<{width}}           {plain(check.remedy)}", style="dim"), soft_wrap=True)
