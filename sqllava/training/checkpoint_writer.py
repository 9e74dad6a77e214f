"""Writes a trained model as a transformers folder."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from sqllava.modeling import SqLlavaForConditionalGeneration
from sqllava.processing import SqLlavaProcessor
from sqllava.training.recipe import Recipe


def write_checkpoint(
    out: Path, model: SqLlavaForConditionalGeneration, processor: SqLlavaProcessor, recipe: Recipe
) -> None:
    """Weights as float16 safetensors, configuration, tokenizer, image processor, and the recipe that made them.

    Half precision halves a checkpoint that is committed to a repository; it is loaded as float32 on a CPU.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(json.dumps(recipe.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    processor.save_pretrained(out)
    model.to(torch.float16).save_pretrained(out)
