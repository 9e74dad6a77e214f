"""`sqllava recipe`: the packaged recipes and launch configurations, to read and to start one's own from."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    name: Annotated[str | None, typer.Argument(help="What to print; without it, all names are listed.")] = None,
) -> None:
    """List the packaged recipes and launch configurations, or print one as YAML.

    Example: sqllava recipe finetune-7b > mine.yaml
    """
    from sqllava.training.launch import launch_names, packaged_text, summary
    from sqllava.training.recipe_file import load_recipe, recipe_names

    if name is not None:
        typer.echo(packaged_text(name), nl=False)
        return
    typer.echo("Recipes, for `sqllava train NAME`:")
    for recipe in recipe_names():
        typer.echo(f"\n  {recipe}\n    {summary(packaged_text(recipe))}")
        for stage in load_recipe(recipe).stages:
            length = f"{stage.steps} steps" if stage.steps else f"{stage.epochs:g} epoch(s)"
            typer.echo(f"    {stage.name}: {length}, {stage.batch_size} samples a step")
    typer.echo("\nLaunch configurations, for `accelerate launch --config_file FILE -m sqllava train ...`:")
    for launch in launch_names():
        typer.echo(f"\n  {launch}\n    {summary(packaged_text(launch))}")
