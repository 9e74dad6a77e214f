"""`sqllava plot`: pictures of training runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Across(StrEnum):
    """What the curves run over."""

    step = "step"
    hours = "hours"


def command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Output folders of `sqllava train`.")],
    out: Annotated[Path, typer.Option(help="Picture to write: .png, .svg or .pdf.")] = Path("curves.png"),
    x: Annotated[Across, typer.Option("--x", help="Across optimizer steps, or hours of training.")] = Across.step,
    smooth: Annotated[
        int | None, typer.Option(help="Logged steps that a point is the mean of; 1 smooths nothing.", min=1)
    ] = None,
) -> None:
    """Draw the losses, scores, learning rates and speed of training runs, several over each other.

    Example: sqllava plot RUN --out curves.svg
    """
    from sqllava.plot import plot

    plot(runs, out, x=x.value, smooth=smooth)
    typer.echo(str(out))
