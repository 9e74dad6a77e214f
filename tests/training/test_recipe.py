"""Recipes: what is packaged is valid, and every mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sqllava.training.recipe import RecipeError, load_recipe, recipe_names


def test_every_packaged_recipe_is_valid() -> None:
    assert "mini" in recipe_names()
    for name in recipe_names():
        assert load_recipe(name).name == name


def test_a_path_works_like_a_name(tmp_path: Path) -> None:
    copy = tmp_path / "mine.yaml"
    copy.write_text(yaml.safe_dump(load_recipe("mini").model_dump(mode="json")), encoding="utf-8")
    assert load_recipe(str(copy)) == load_recipe("mini")


def test_settings_reach_inside() -> None:
    recipe = load_recipe("mini").override(["seed=7", "stages.1.steps=5", "model.sees_images=false"])
    assert (recipe.seed, recipe.stages[1].steps, recipe.model.sees_images) == (7, 5, False)
    assert recipe.stages[0] == load_recipe("mini").stages[0]


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("seed", "expected key=value"),
        ("stages.9.steps=1", "no such key"),
        ("stages.0.stops=1", "stages.0.stops"),
        ("stages.0.steps=none", "stages.0.steps"),
        ("stages.0.steps=0", "stages.0.steps"),
        ("stages.2.template=v9", "unknown template 'v9'"),
        ("stages.2.sq_r=1.5", "stages.2.sq_r"),
        ("stages.2.trained=[vision_tower]", "frozen"),
        ("stages.0.trained=[projector]", "trains the vision_tower and nothing else"),
        ("colour=red", "colour"),
    ],
)
def test_every_mistake_is_named(setting: str, named: str) -> None:
    with pytest.raises(RecipeError, match=named.replace(".", r"\.")):
        load_recipe("mini").override([setting])


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such file, and no packaged recipe"):
        load_recipe("maxi")
    broken = tmp_path / "broken.yaml"
    broken.write_text("stages: [", encoding="utf-8")
    with pytest.raises(RecipeError, match="not valid YAML"):
        load_recipe(str(broken))
