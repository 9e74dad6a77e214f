"""`sqllava train`: from a recipe to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqllava.cli import completion

STOPPED = 143
"""Exit code of a run that SIGTERM stopped: shells' own for that signal, so that a script sees that it is not done."""


def command(
    recipe: Annotated[
        str,
        typer.Argument(
            help="Name of a packaged recipe (`sqllava recipe`) or path of a YAML file.",
            autocompletion=completion.recipes,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run and its checkpoint; default runs/NAME.", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value over the recipe, e.g. stages.alignment.steps=100 or seed=1."),
    ] = None,
    resume: Annotated[
        str, typer.Option(help="`auto` continues the run that OUT holds, if there is one; `never` refuses to.")
    ] = "never",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's choice.", min=0)] = 0,
    cpu: Annotated[bool, typer.Option("--cpu", help="Stay on the CPU even if there is a GPU.")] = False,
) -> None:
    """Train a model by a recipe and write its checkpoint.

    Example: sqllava train mini --out my-mini

    Several GPUs: accelerate launch --config_file fsdp2.yaml -m sqllava train finetune-7b
    """
    from sqllava.errors import SqLlavaError
    from sqllava.hooks import mini_training_root
    from sqllava.training.recipe_file import load_recipe, override

    plan = override(load_recipe(recipe), settings or [])
    if resume not in ("auto", "never"):
        raise SqLlavaError(f"--resume {resume}: expected auto or never")
    folder = out or Path("runs") / plan.name
    root = mini_training_root() if plan.data == "mini" else Path(plan.data)
    if not root.is_dir():
        raise SqLlavaError(f"data: {plan.data}: no such folder; --set data=DIR names the one with the recipe's files")

    import torch

    from sqllava.training.loop import StoppedError
    from sqllava.training.run import train

    if threads:
        torch.set_num_threads(threads)
    try:
        train(plan, root, folder, resume=resume == "auto", cpu=cpu)
    except StoppedError:
        typer.echo(f"sqllava: stopped; the same command with --resume auto continues {folder}", err=True)
        raise typer.Exit(STOPPED) from None
    typer.echo(str(folder))
