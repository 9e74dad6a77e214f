"""Where recipes come from: packaged names, YAML files, and ``--set`` on the command line."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sqllava.errors import SqLlavaError
from sqllava.training.recipe import Recipe

_WORDS = {"extra_forbidden": "no such key", "missing": "is missing", "model_type": "expected keys and values"}
"""Pydantic's kinds of error that its own words are not clear about."""


class _PlainLoader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):  # a few lines of them stand for gigabytes
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read; write the value out", mark)
        return super().compose_node(parent, index)


class RecipeError(SqLlavaError):
    """A recipe that is missing, no YAML, or not valid."""


def recipe_names() -> list[str]:
    """Names of the packaged recipes."""
    folder = resources.files("sqllava") / "recipes"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def recipe_text(name: str) -> str:
    """The YAML of the packaged recipe `name`, or of the file at that path. Raises RecipeError."""
    if name in recipe_names():
        return (resources.files("sqllava") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    if Path(name).is_file():
        return Path(name).read_text(encoding="utf-8")
    raise RecipeError(f"{name}: no such file, and no packaged recipe (those are: {', '.join(recipe_names())})")


def load_recipe(name: str) -> Recipe:
    """The packaged recipe `name`, or the YAML file at that path. Raises RecipeError."""
    try:
        value = _plain(recipe_text(name))
    except ValueError as error:
        raise RecipeError(f"{name}: not valid YAML: {error}") from error
    return validated(value, name)


def _plain(text: str) -> Any:
    """The value of a YAML text. Raises ValueError."""
    try:
        return yaml.load(text, _PlainLoader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except RecursionError:
        raise ValueError("nested too deeply") from None


def override(recipe: Recipe, settings: list[str]) -> Recipe:
    """The recipe with ``key=value`` settings applied; keys reach inside by dots, stages by number or name:
    ``stages.1.steps=10``, ``stages.alignment.steps=10``. Raises RecipeError."""
    value = recipe.model_dump(mode="json")
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise RecipeError(f"--set {setting}: expected key=value")
        try:
            new = _plain(text)
        except ValueError as error:
            raise RecipeError(f"--set {setting}: the value is not valid YAML: {error}") from error
        _assign(value, key.split("."), new, setting)
    return validated(value, "--set")


def validated(value: Any, source: str) -> Recipe:
    """`value` as a recipe. Raises RecipeError that names every wrong key."""
    try:
        return Recipe.model_validate(value)
    except ValidationError as error:
        raise RecipeError(f"{source}: " + "; ".join(_problem(e) for e in error.errors())) from error


def _problem(error: Any) -> str:
    # The source of the model is part of pydantic's path, though no key of the file.
    keys = [str(key) for key in error["loc"]]
    if len(keys) > 1 and keys[0] == "model" and keys[1] in ("new", "parts", "checkpoint"):
        del keys[1]
    told = _WORDS.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{'.'.join(keys) or 'recipe'}: {told}"


def _assign(value: Any, path: list[str], new: Any, setting: str) -> None:
    """Put `new` at `path` inside nested dictionaries and lists. Raises RecipeError if the path leads nowhere."""
    try:
        for key in path[:-1]:
            value = value[_index(value, key)] if isinstance(value, list) else value[key]
            if value is None:
                raise KeyError(key)
        if isinstance(value, list):
            value[_index(value, path[-1])] = new
        else:
            value[path[-1]] = new
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise RecipeError(
            f"--set {setting}: the recipe has no such key; `sqllava recipe NAME` shows a recipe's"
        ) from error


def _index(entries: list[Any], key: str) -> int:
    """Position of the entry of that number or name."""
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
    return names.index(key) if key in names else int(key)
