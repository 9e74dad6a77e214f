"""A model in training as a finished checkpoint: a folder that `sqllava.load` takes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from sqllava.adapters import write_adapter
from sqllava.atomic import replace_folder
from sqllava.checkpoints import quiet_transformers
from sqllava.locate import packaged
from sqllava.processing import SqLlavaProcessor
from sqllava.training.lora import merged, scalings
from sqllava.training.processes import model_state
from sqllava.training.recipe import Part, Recipe, StartingCheckpoint

LAST = ("config.json", "adapter_config.json")
"""What makes a folder a checkpoint is put in its place after everything else."""


@dataclass(frozen=True)
class Output:
    """How finished weights are written."""

    recipe: str
    """JSON of the recipe, which is kept beside them."""
    dtype: str | None = None
    """Of the floating-point weights; None: as they are."""
    base: str | None = None
    """Checkpoint that an adapter folder names as its base; None: adapters are folded in."""
    full: tuple[Part, ...] = ()
    """Parts that an adapter folder holds whole."""

    @classmethod
    def of(cls, recipe: Recipe) -> Output:
        """What a recipe asks for."""
        text = recipe_json(recipe)
        if recipe.merge or not isinstance(recipe.model, StartingCheckpoint):
            return cls(text, recipe.save_dtype)
        base = recipe.model.checkpoint
        full = tuple(part for part, how in recipe.stages[0].trained.items() if how.lora is None)
        local = base not in packaged() and Path(base).exists()
        return cls(text, None, str(Path(base).resolve()) if local else base, full)


def write_checkpoint(
    folder: Path, objective: Any, processor: SqLlavaProcessor, accelerator: Accelerator, output: Output
) -> None:
    """Write the `model` of the prepared objective to `folder`; the model itself stays as it is.

    Every process must call it.
    """
    state = model_state(accelerator, objective)
    if accelerator.is_main_process:
        model = accelerator.unwrap_model(objective).model
        with replace_folder(folder) as temporary, quiet_transformers():
            processor.save_pretrained(temporary)
            (temporary / "recipe.json").write_text(output.recipe, encoding="utf-8")
            if output.base is not None:
                write_adapter(temporary, model, base=output.base, full=output.full, state=state)
            else:
                _write_merged(temporary, model, state, output.dtype)
    accelerator.wait_for_everyone()


def _write_merged(folder: Path, model: Any, state: dict[str, Tensor], dtype: str | None) -> None:
    weights = {name: _cast(weight, dtype) for name, weight in merged(state, scalings(model))}
    if model.config.tie_word_embeddings:
        weights.pop("lm_head.weight", None)
    kept = _most(weights)
    model.save_pretrained(folder, state_dict=weights)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    # It would name the dtype of the model that trained.
    text = json.dumps({**config, "dtype": kept}, indent=2, sort_keys=True) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")


def is_finished(folder: Path) -> bool:
    """Whether `folder` holds a finished checkpoint: its last file is there."""
    return any((folder / name).is_file() for name in LAST)


def recipe_json(recipe: Recipe) -> str:
    """The recipe as it is kept beside weights."""
    return json.dumps(recipe.model_dump(mode="json"), indent=2) + "\n"


def _cast(weight: Tensor, dtype: str | None) -> Tensor:
    if dtype is not None and weight.is_floating_point():
        weight = weight.to(getattr(torch, dtype))
    return weight.detach().cpu().contiguous()


def _most(weights: dict[str, Tensor]) -> str:
    """Name of the dtype that most parameters are stored in."""
    sizes: Counter[str] = Counter()
    for weight in weights.values():
        sizes[str(weight.dtype).removeprefix("torch.")] += weight.numel()
    return sizes.most_common(1)[0][0]
