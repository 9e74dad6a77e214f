"""`sqllava train`: from a recipe to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Argument(help="Name of a packaged recipe (mini), or path of a YAML file.")],
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint; must not hold one yet.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value over the recipe, e.g. stages.2.steps=100 or seed=1.")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's choice.", min=0)] = 0,
) -> None:
    """Train a model by a recipe and write its checkpoint.

    Example: sqllava train mini --out my-mini
    """
    from sqllava.errors import SqLlavaError
    from sqllava.hooks import mini_training_root
    from sqllava.training.checkpoint_writer import write_checkpoint
    from sqllava.training.recipe import load_recipe
    from sqllava.training.train_progress import training_log

    plan = load_recipe(recipe).override(settings or [])
    if (out / "config.json").exists():
        raise SqLlavaError(f"{out} already holds a checkpoint; choose another --out")
    root = mini_training_root() if plan.data == "mini" else Path(plan.data)
    if not root.is_dir():
        raise SqLlavaError(f"data: {plan.data}: no such folder")

    import torch

    from sqllava.training.train import train

    if threads:
        torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    with training_log(out / "train.jsonl", plan) as log:
        model, processor = train(plan, root, log)
    write_checkpoint(out, model, processor, plan)
    typer.echo(str(out))
