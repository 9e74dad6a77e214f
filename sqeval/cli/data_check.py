"""`sqeval data check`: is a folder ready to be evaluated on?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sqeval.cli import completion
from sqeval.cli.options import Images, Split
from sqeval.cli.output import AsJson, print_json

if TYPE_CHECKING:
    from sqeval.data.check import TaskCheck
    from sqeval.data.root import DataRoot
    from sqeval.task import Task


def command(
    data: Annotated[
        str, typer.Argument(help="Folder of official files, `mini` or `hub`.", autocompletion=completion.data)
    ],
    tasks: Annotated[
        str | None,
        typer.Option(
            help="Benchmarks that must be ready, separated by commas, or `all`.",
            show_default=False,
            autocompletion=completion.tasks,
        ),
    ] = None,
    images: Images = None,
    split: Split = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Read every pixel, not the headers alone; finds truncated images.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Files, records and images of each benchmark: what is there, what is missing, how much of the official set it is.

    Exit code 0 if every benchmark that --tasks names is ready (without --tasks: if one is, and none is broken), else 2.

    Example: sqeval data check mini --tasks gqa,pope
    """
    from rich.console import Console

    from sqeval.config import resolve
    from sqeval.data.places import open_root
    from sqeval.errors import EXIT_BAD_INPUT
    from sqeval.registry import parse_tasks
    from sqeval.report.data_check import SHOWN, problems, table

    named = parse_tasks(tasks or "all")
    config = resolve({"tasks": tasks or "all", "data": data, "images": images, "split": split})
    checks = _check(named, open_root(data, named, images=images, splits=config.split), decode)
    ready = [check.ready for check in checks]
    good = all(ready) if tasks is not None else any(ready) and all(check.state != "broken" for check in checks)
    if as_json:
        print_json({"data": data, "good": good, "tasks": [check.to_json(SHOWN) for check in checks]})
    else:
        console = Console()
        console.print(table(checks))
        for line in (line for check in checks for line in problems(check)):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
    if not good:
        raise typer.Exit(EXIT_BAD_INPUT)


def _check(tasks: Sequence[Task], root: DataRoot, decode: bool) -> list[TaskCheck]:
    """Check each task under a bar on stderr that counts its images."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from sqeval.data.check import check_task

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    checks = []
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        for task in tasks:
            bar = bars.add_task(f"{task.name}: reading", total=None)

            def progress(done: int, total: int, name: str = task.name) -> None:
                bars.update(bars.task_ids[-1], description=f"{name}: images", completed=done, total=total)

            checks.append(check_task(task, root, decode=decode, progress=progress))
            bars.remove_task(bar)
    return checks
