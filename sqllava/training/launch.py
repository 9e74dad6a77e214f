"""The packaged configurations of `accelerate launch`: how processes share the work."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable

from sqllava.training.recipe_file import RecipeError, recipe_names, recipe_text


def _folder() -> Traversable:
    return resources.files("sqllava") / "recipes" / "accelerate"


def launch_names() -> list[str]:
    """Names of the packaged launch configurations."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _folder().iterdir() if entry.name.endswith(".yaml"))


def packaged_text(name: str) -> str:
    """The YAML of the packaged recipe or launch configuration `name`. Raises RecipeError."""
    if name in recipe_names():
        return recipe_text(name)
    if name in launch_names():
        return (_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    recipes, launches = ", ".join(recipe_names()), ", ".join(launch_names())
    raise RecipeError(f"{name}: not packaged; recipes: {recipes}; launch configurations: {launches}")


def summary(text: str) -> str:
    """First sentence of the comment that a YAML file begins with."""
    comment = re.match(r"(?:#.*\n)*", text)
    words = " ".join(line.lstrip("#").strip() for line in (comment[0] if comment else "").splitlines())
    return re.split(r"(?<=\.)\s", words, maxsplit=1)[0]
