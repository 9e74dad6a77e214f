"""`sqeval demo`: from nothing to a table."""

from __future__ import annotations

from typing import Annotated

import typer

from sqeval.cli.output import AsJson, json_alone


def command(
    out: Annotated[str, typer.Option(help="Folder for the demo's run folders.")] = "results/demo",
    fresh: Annotated[bool, typer.Option("--fresh", help="Discard what is there and start over.")] = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate the packaged checkpoint and two floors on the mini suite, and print the leaderboard.

    Takes about a minute on two cores; what is finished is kept, so that a second time takes seconds.

    Example: sqeval demo
    """
    import sys
    import time

    from rich.console import Console

    from sqeval.boards import boards
    from sqeval.demo import run_demo
    from sqeval.progress import progress_for_stderr
    from sqeval.provenance import command_line
    from sqeval.report.leaderboard import page
    from sqeval.report.rows import as_json as rows
    from sqeval.report.sheet.screen import render

    began = time.monotonic()
    with json_alone(as_json) as emit:
        runs = run_demo(out, progress_for_stderr(), fresh=fresh, command=command_line(sys.argv))
        emit(rows(boards(runs)))
    if as_json:
        return
    Console().print(render(page(boards(runs))))
    print(f"\n{time.monotonic() - began:.0f} seconds. What to type next:\n")
    for line, why in next_commands(out):
        print(f"  {line:<60}  # {why}")
    print(f"\n{out}")


def next_commands(out: str) -> tuple[tuple[str, str], ...]:
    """Commands worth typing after the demo, and what each is for."""
    return (
        (f"sqeval compare {out}/mini-blind {out}/mini", "what looking at the picture is worth"),
        ("sqeval tasks show gqa", "what a benchmark asks, word for word"),
        ("sqeval run --tasks all --ckpt PATH --data DIR", "your checkpoint on official files"),
    )
