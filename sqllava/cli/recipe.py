"""`sqllava recipe`: the packaged recipes and launch configurations, to read and to start one's own from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sqllava.cli import completion
from sqllava.cli.output import AsJson, print_json


def command(
    name: Annotated[
        str | None,
        typer.Argument(help="What to print; without it, all names are listed.", autocompletion=completion.recipes),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the packaged recipes and launch configurations, or print one as YAML.

    Example: sqllava recipe finetune-7b > mine.yaml
    """
    import yaml

    from sqllava.training.launch import launch_names, packaged_text, summary
    from sqllava.training.recipe_file import load_recipe, recipe_names

    if as_json:
        print_json(_listed() if name is None else yaml.safe_load(packaged_text(name)))
        return
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


def _listed() -> dict[str, Any]:
    """For programs: all names, with what each is for."""
    from sqllava.training.launch import launch_names, packaged_text, summary
    from sqllava.training.recipe_file import load_recipe, recipe_names

    recipes = [
        {
            "name": name,
            "summary": summary(packaged_text(name)),
            "stages": [
                {"name": stage.name, "steps": stage.steps, "epochs": stage.epochs, "batch_size": stage.batch_size}
                for stage in load_recipe(name).stages
            ],
        }
        for name in recipe_names()
    ]
    launches = [{"name": name, "summary": summary(packaged_text(name))} for name in launch_names()]
    return {"recipes": recipes, "launch_configurations": launches}
