"""What `sqeval data check` found, as a table and a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from sqeval.report.text import plain

if TYPE_CHECKING:
    from sqeval.data.check import TaskCheck

SHOWN = 5
"""Images of a kind that are named."""
COLOURS = {"ready": "green", "files missing": "yellow", "broken": "red"}


def table(checks: Sequence[TaskCheck]) -> Table:
    """A row a task: state, and sizes beside the official ones."""
    found = Table("task", "state", box=None, header_style="bold")
    for name in ("questions", "images"):
        found.add_column(name, justify="right", no_wrap=True)
    found.add_column("data version", overflow="fold")
    for check in checks:
        samples, images = check.official or (None, None)
        state = Text(check.state, COLOURS[check.state])
        if check.subset:
            state.append(", a subset", "yellow")
        sizes = (_of(check.samples, samples), _of(check.images, images)) if check.samples else ("", "")
        found.add_row(check.task, state, *sizes, Text(plain(check.version or "")))
    return found


def problems(check: TaskCheck) -> list[str]:
    """Everything worth saying about a task that is not in the table, a line each."""
    lines = [f"{check.task}: {wanted.path} is missing: {wanted.source}" for wanted in check.missing]
    lines += [f"{check.task}: {wanted.path} (optional) is not there: {wanted.source}" for wanted in check.absent]
    if check.problem is not None:
        lines.append(f"{check.task}: {check.problem}")
    if check.missing_images:
        names = [str(image.path) for image in check.missing_images[:SHOWN]]
        more = ", ..." if len(check.missing_images) > SHOWN else ""
        counted = f"{len(check.missing_images):,} of {check.images:,} images"
        lines.append(f"{check.task}: missing are {counted}: {', '.join(names)}{more}")
    lines += [f"{check.task}: image {bad.key}: {bad.problem}" for bad in check.bad_images[:SHOWN]]
    if len(check.bad_images) > SHOWN:
        lines.append(f"{check.task}: {len(check.bad_images) - SHOWN:,} more images cannot be read")
    return [plain(line) for line in lines]


def _of(found: int, official: int | None) -> str:
    return f"{found:,}" if official is None else f"{found:,} of {official:,}"
