"""`sqeval data`: is a folder ready to be evaluated on, and the mini suite on disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from sqeval.data.check import TaskCheck
    from sqeval.data.root import DataRoot
    from sqeval.task import Task

app = typer.Typer(help="Check a data folder, or generate the mini suite.", no_args_is_help=True, add_completion=False)

BAD_IMAGES_SHOWN = 5


@app.command("check")
def check(
    data: Annotated[str, typer.Argument(help="Folder of official files, or `mini`.")],
    tasks: Annotated[
        str | None,
        typer.Option(help="Benchmarks that must be ready, separated by commas, or `all`.", show_default=False),
    ] = None,
    decode: Annotated[bool, typer.Option("--decode", help="Read every pixel, not the images' headers alone.")] = False,
) -> None:
    """Files, records and images of each benchmark: what is there, what is missing, and where it comes from.

    Exit code 0 if every benchmark that --tasks names is ready (without --tasks: if at least one is), else 2.

    Example: sqeval data check mini --tasks gqa,pope
    """
    from rich.console import Console

    from sqeval.data.root import resolve_root
    from sqeval.errors import EXIT_BAD_INPUT
    from sqeval.registry import parse_tasks

    root, console = resolve_root(data), Console()
    checks = _check(parse_tasks(tasks or "all"), root, decode, console)
    _print(checks, console)
    ready = [check.ready for check in checks]
    if not (any(ready) if tasks is None else all(ready)):
        raise typer.Exit(EXIT_BAD_INPUT)


@app.command("prepare")
def prepare(name: Annotated[str, typer.Argument(help="`mini`, the one suite that can be generated.")] = "mini") -> None:
    """Generate the mini suite into the cache folder, unless it is there, and print its path."""
    from sqeval.errors import UserError

    if name != "mini":
        raise UserError(
            f"data prepare {name}: only `mini` can be generated; other benchmarks are read from their files"
        )
    from sqeval.data.mini import ensure_mini

    print(ensure_mini())


def _check(tasks: Sequence[Task], root: DataRoot, decode: bool, console: Console) -> list[TaskCheck]:
    """Check each task under a line that says which, and how many of its images are left."""
    from sqeval.data.check import check_task

    checks = []
    with console.status("") as status:
        for task in tasks:
            status.update(f"{task.name}: reading")

            def progress(left: int, name: str = task.name) -> None:
                status.update(f"{name}: {left} images left")

            checks.append(check_task(task, root, decode=decode, progress=progress))
    return checks


def _print(checks: Sequence[TaskCheck], console: Console) -> None:
    """A table of all tasks, then the problems of each, and where missing files come from."""
    from rich.table import Table
    from rich.text import Text

    from sqeval.report.text import plain

    table = Table("task", "state", box=None, header_style="bold")
    table.add_column("questions", justify="right")
    table.add_column("images", justify="right")
    for check in checks:
        state = (
            ("ready", "green") if check.ready else ("files missing", "yellow") if check.missing else ("broken", "red")
        )
        table.add_row(check.task, Text(*state), f"{check.samples:,}", f"{check.images:,}")
    console.print(table)
    for check in checks:
        for line in problems(check):
            console.print(Text(plain(line)), soft_wrap=True)


def _state(check: TaskCheck) -> tuple[str, str]:
    """Word and colour."""
    if check.missing:
        return "files missing", "yellow"
    return ("ready", "green") if check.ready else ("broken", "red")


def problems(check: TaskCheck) -> list[str]:
    """Everything worth saying about a task that is not in the table, a line each."""
    lines = [f"{check.task}: {wanted.path} is missing: {wanted.source}" for wanted in check.missing]
    lines += [f"{check.task}: {wanted.path} (optional) is not there: {wanted.source}" for wanted in check.absent]
    if check.problem is not None:
        lines.append(f"{check.task}: {check.problem}")
    lines += [f"{check.task}: image {bad.key}: {bad.problem}" for bad in check.bad_images[:BAD_IMAGES_SHOWN]]
    if len(check.bad_images) > BAD_IMAGES_SHOWN:
        lines.append(f"{check.task}: {len(check.bad_images) - BAD_IMAGES_SHOWN} more images cannot be read")
    return lines
