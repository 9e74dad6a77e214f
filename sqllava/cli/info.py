"""`sqllava info`: what a checkpoint is."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    checkpoint: Annotated[str, typer.Argument(metavar="CKPT", help="Checkpoint folder or packaged name (mini).")],
) -> None:
    """Kind, parts and parameter counts of a checkpoint, without loading it.

    Example: sqllava info mini
    """
    from sqllava.info import inspect

    typer.echo("\n".join(inspect(checkpoint).lines()))
