"""A model in training as a finished checkpoint: a folder that `sqllava.load` takes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from sqllava.atomic import replace_folder
from sqllava.checkpoints import quiet_transformers
from sqllava.processing import SqLlavaProcessor
from sqllava.training.lora import merged, scalings
from sqllava.training.recipe import Recipe


def write_checkpoint(
    folder: Path,
    objective: Any,
    processor: SqLlavaProcessor,
    recipe: str,
    accelerator: Accelerator,
    *,
    dtype: str | None,
) -> None:
    """Write `folder` with adapters folded in; the model itself stays as it is. Every process must call it.

    objective: the prepared objective, whose `model` is written. recipe: its JSON. dtype: of the floating-point weights;
    None: as they are.
    """
    state = accelerator.get_state_dict(objective)
    if accelerator.is_main_process:
        model = accelerator.unwrap_model(objective).model
        prefix = "model."
        own = {name.removeprefix(prefix): weight for name, weight in state.items() if name.startswith(prefix)}
        weights = {name: _cast(weight, dtype) for name, weight in merged(own, scalings(model))}
        if model.config.tie_word_embeddings:
            weights.pop("lm_head.weight", None)
        kept = _most(weights)
        with replace_folder(folder) as temporary, quiet_transformers():
            processor.save_pretrained(temporary)
            model.save_pretrained(temporary, state_dict=weights)
            config = json.loads((temporary / "config.json").read_text(encoding="utf-8"))
            # It would name the dtype of the model that trained.
            text = json.dumps({**config, "dtype": kept}, indent=2, sort_keys=True) + "\n"
            (temporary / "config.json").write_text(text, encoding="utf-8")
            (temporary / "recipe.json").write_text(recipe, encoding="utf-8")
    accelerator.wait_for_everyone()


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
