"""Recipes: what is packaged is valid and the release's, and every mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sqllava.training.recipe import PretrainedParts
from sqllava.training.recipe_file import RecipeError, load_recipe, override, recipe_names

RELEASE = {
    "pretrain-7b": {"projector": 1e-3, "vision_tower": 2e-4},
    "pretrain-13b": {"projector": 1e-3, "vision_tower": 2e-4},
    "finetune-7b": {"language_model": 2e-4, "vision_tower": 2e-5, "projector": 2e-5},
    "finetune-13b": {"language_model": 2e-4, "vision_tower": 2e-5, "projector": 2e-5},
}
"""Learning rates of the release's scripts."""


def test_every_packaged_recipe_is_valid() -> None:
    assert {"mini", *RELEASE} <= set(recipe_names())
    for name in recipe_names():
        assert load_recipe(name).name == name


@pytest.mark.parametrize("name", sorted(RELEASE))
def test_the_release_is_in_its_recipes(name: str) -> None:
    (stage,) = load_recipe(name).stages
    assert {part: how.learning_rate for part, how in stage.trained.items()} == RELEASE[name]
    tower = stage.trained["vision_tower"].lora
    assert tower is not None
    assert (tower.r, tower.alpha, tower.dropout) == (64, 128, 0.2)
    assert (stage.epochs, stage.warmup, stage.weight_decay, stage.max_length) == (1, 0.03, 0, 2048)
    if name.startswith("finetune"):
        adapters = stage.trained["language_model"].lora
        assert adapters is not None
        assert (adapters.r, adapters.alpha, adapters.dropout) == (128, 256, 0.05)
        assert (stage.template, stage.sq_r, stage.batch_size) == ("v1_sq", 0.5, 128)
        assert stage.group_by_length
    else:
        assert (stage.template, stage.batch_size) == ("plain", 256)
        model = load_recipe(name).model
        assert isinstance(model, PretrainedParts)
        assert (model.projector.num_prototypes, model.projector.num_iterations) == (256, 2)
        assert (model.vision_feature_layer, model.image_aspect_ratio) == (-2, "pad")


def test_a_path_works_like_a_name(tmp_path: Path) -> None:
    copy = tmp_path / "mine.yaml"
    copy.write_text(yaml.safe_dump(load_recipe("mini").model_dump(mode="json")), encoding="utf-8")
    assert load_recipe(str(copy)) == load_recipe("mini")


def test_settings_reach_inside_by_number_and_by_name() -> None:
    settings = ["seed=7", "stages.1.steps=5", "stages.self-questioning.sq_r=0", "model.sees_images=false"]
    recipe = override(load_recipe("mini"), settings)
    assert (recipe.seed, recipe.stages[1].steps, recipe.stages[3].sq_r) == (7, 5, 0)
    assert recipe.model.sees_images is False
    assert recipe.stages[0] == load_recipe("mini").stages[0]


def test_data_may_be_a_name_or_a_weighted_mixture() -> None:
    mixture = "stages.1.data=[a.json, {file: b.json, images: pictures, weight: 0.5}]"
    data = override(load_recipe("mini"), [mixture]).stages[1].data
    assert [(entry.file, entry.images, entry.weight) for entry in data] == [
        ("a.json", "", 1),
        ("b.json", "pictures", 0.5),
    ]


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("seed", "expected key=value"),
        ("seed=[", "not valid YAML"),
        ("stages.9.steps=1", "no such key"),
        ("stages.nowhere.steps=1", "no such key"),
        ("stages.0.stops=1", "stages.0.stops: no such key"),
        ("stages.0.steps=none", "stages.0.steps"),
        ("stages.0.steps=0", "stages.0.steps"),
        ("stages.1.epochs=2", "steps or epochs"),
        ("stages.1.micro_batch_size=5", "5 does not divide batch_size 32"),
        ("stages.2.template=v9", "unknown template 'v9'"),
        ("stages.2.sq_r=1.5", "stages.2.sq_r"),
        ("stages.2.trained={}", "stages.2.trained"),
        ("stages.2.trained.projector={}", "stages.2.trained.projector.learning_rate: is missing"),
        ("stages.2.trained.nose={learning_rate: 1}", "stages.2.trained.nose"),
        ("stages.2.trained.projector.lora={r: 4, alpha: 8}", "trained in full"),
        ("stages.2.trained.vision_tower.lora.r=0", "stages.2.trained.vision_tower.lora.r"),
        ("stages.0.trained={projector: {learning_rate: 1}}", "trains the vision_tower in full and nothing else"),
        ("stages.1.data=../secret.json", "inside the data root"),
        ("stages.1.data=[]", "stages.1.data"),
        ("stages.1.name=tower", "same name"),
        ("stages.1.name=Tower!", "stages.1.name"),
        ("model.source=clay", "model"),
        ("model.vocab_size=many", "model.vocab_size"),
        ("model.projector.type=linear", "model.projector.type"),
        ("merge=false", "merge: false needs a single stage"),
        ("precision=fp8", "precision"),
        ("evaluation={every: 10, tasks: [pope], metric: gqa}", "'gqa' is not one of its tasks"),
        ("colour=red", "colour"),
    ],
)
def test_every_mistake_is_named(setting: str, named: str) -> None:
    with pytest.raises(RecipeError, match=named.replace(".", r"\.").replace("[", r"\[")):
        override(load_recipe("mini"), [setting])


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such file, and no packaged recipe"):
        load_recipe("maxi")
    broken = tmp_path / "broken.yaml"
    broken.write_text("stages: [", encoding="utf-8")
    with pytest.raises(RecipeError, match="not valid YAML"):
        load_recipe(str(broken))
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not valid YAML"):
        load_recipe(str(broken))
    broken.write_text("just text", encoding="utf-8")
    with pytest.raises(RecipeError, match="recipe: expected keys and values"):
        load_recipe(str(broken))
