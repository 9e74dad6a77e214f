"""Recipes: everything a training run depends on, in one short YAML file.

Unknown keys, wrong types and impossible combinations are errors that name the key; nothing is guessed.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sqllava.conversation import TEMPLATES
from sqllava.errors import SqLlavaError

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Part = Literal["vision_tower", "projector", "language_model"]


class RecipeError(SqLlavaError):
    """A recipe that is missing, no YAML, or not valid."""


class Strict(BaseModel):
    """Unknown keys are errors; values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRecipe(Strict):
    """A model built from nothing. `vision` and `text` are keys of transformers' CLIP and LLaMA configurations."""

    vision: dict[str, Any]
    text: dict[str, Any]
    num_prototypes: Positive
    num_iterations: Positive = 2
    vision_feature_layer: int = -1
    vocab_size: Positive
    sees_images: bool = True
    """False trains the blind control: same recipe, images withheld."""


class Schedule(Strict):
    """How a stage optimises: AdamW, linear warm-up, cosine decay."""

    steps: Positive
    batch_size: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    warmup: Share = 0.03
    """Share of the steps in which the learning rate rises to its peak."""
    floor: Share = 0.0
    """Share of the peak that is left at the end."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    beta2: Share = 0.999
    clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest gradient norm."""


class GroundingRecipe(Strict):
    """The auxiliary loss of `sqllava.training.grounding`."""

    data: str
    """Region labels under the data root."""
    weight: Annotated[float, Field(gt=0)]


class Stage(Schedule):
    """One stage of training."""

    name: str
    kind: Literal["regions", "conversations"]
    """`regions`: the vision tower alone learns what each patch shows. `conversations`: next-token prediction."""
    data: str
    """File under the data root."""
    trained: tuple[Part, ...]
    template: str = "v1_sq"
    sq_r: Share = 0.5
    """Probability that a turn after the first is asked by the model itself (templates with a virtual user)."""
    answer_template_share: Share = 0.0
    """Share of samples rendered with the evaluation template, without self-questioning."""
    grounding: GroundingRecipe | None = None
    group_by_length: bool = True
    """Whether a batch holds samples of similar length: less padding, less variety. The release groups in stage 2."""

    @model_validator(mode="after")
    def _possible(self) -> Stage:
        if self.template not in TEMPLATES:
            raise ValueError(f"template: unknown template {self.template!r}; known: {', '.join(TEMPLATES)}")
        if self.kind == "regions" and self.trained != ("vision_tower",):
            raise ValueError("trained: a `regions` stage trains the vision_tower and nothing else")
        if self.kind == "regions" and self.grounding is not None:
            raise ValueError("grounding: only `conversations` stages have projected patches to ground")
        if self.kind == "conversations" and "vision_tower" in self.trained:
            raise ValueError("trained: the vision tower is frozen in `conversations` stages (its features are cached)")
        return self


class Recipe(Strict):
    """A whole training run."""

    name: str
    seed: int = 0
    data: str
    """``mini`` (generated on first use) or a folder."""
    model: ModelRecipe
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    log_every: Positive = 50

    def override(self, settings: list[str]) -> Recipe:
        """The recipe with ``key=value`` settings applied; keys reach inside by dots: ``stages.1.steps=10``."""
        value = self.model_dump(mode="json")
        for setting in settings:
            key, equals, text = setting.partition("=")
            if not equals:
                raise RecipeError(f"--set {setting}: expected key=value")
            _assign(value, key.split("."), yaml.safe_load(text), setting)
        return _validate(value, "--set")


def _assign(value: Any, path: list[str], new: Any, setting: str) -> None:
    """Put `new` at `path` inside nested dictionaries and lists. Raises RecipeError if the path leads nowhere."""
    try:
        for key in path[:-1]:
            value = value[int(key)] if isinstance(value, list) else value[key]
        if isinstance(value, list):
            value[int(path[-1])] = new
        else:
            value[path[-1]] = new
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise RecipeError(f"--set {setting}: the recipe has no such key") from error


def recipe_names() -> list[str]:
    """Names of the packaged recipes."""
    folder = resources.files("sqllava") / "recipes"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_recipe(name: str) -> Recipe:
    """The packaged recipe `name`, or the YAML file at that path. Raises RecipeError."""
    if name in recipe_names():
        text = (resources.files("sqllava") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    elif Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8")
    else:
        raise RecipeError(f"{name}: no such file, and no packaged recipe (those are: {', '.join(recipe_names())})")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{name}: not valid YAML: {error}") from error
    return _validate(value, name)


def _validate(value: Any, source: str) -> Recipe:
    try:
        return Recipe.model_validate(value)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise RecipeError(f"{source}: {problems}") from error
