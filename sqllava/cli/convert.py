"""`sqllava convert`: released checkpoints into folders of ours."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class DType(StrEnum):
    """How weights are stored."""

    keep = "keep"
    float16 = "float16"
    bfloat16 = "bfloat16"
    float32 = "float32"


def command(
    src: Annotated[str, typer.Argument(metavar="SRC", help="Checkpoint: folder or hub id.")],
    out: Annotated[Path, typer.Option(help="Folder to write; must be new or empty.")],
    base: Annotated[str | None, typer.Option(help="Language model that SRC was trained on: folder or hub id.")] = None,
    vision_tower: Annotated[str | None, typer.Option(help="CLIP that SRC was trained with: folder or hub id.")] = None,
    keep_lora: Annotated[bool, typer.Option("--keep-lora", help="Keep adapters apart from their base.")] = False,
    dtype: Annotated[DType, typer.Option(help="Type of the written weights; keep: as stored.")] = DType.keep,
) -> None:
    """Convert a released checkpoint (SQ-LLaVA or LLaVA-1.5) to a folder that loads.

    Example: sqllava convert SRC --base BASE --vision-tower TOWER --out sqllava-7b

    For the released LoRA, SRC is ZachSun/sqllava-lora-7b, BASE lmsys/vicuna-7b-v1.5, TOWER
    openai/clip-vit-large-patch14-336.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from sqllava.conversion.convert import write
    from sqllava.conversion.gather import plan_conversion
    from sqllava.conversion.output import check_free
    from sqllava.conversion.sources import local_folder

    check_free(out, 0)
    folders = [None if name is None else local_folder(name) for name in (src, base, vision_tower)]
    assert folders[0] is not None
    plan = plan_conversion(folders[0], folders[1], folders[2], dtype.value)
    for line in plan.lines():
        typer.echo(line, err=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, int] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)  # type: ignore[arg-type]

        write(plan, out, keep_lora=keep_lora, dtype=dtype.value, progress=show)
    typer.echo(str(out))
