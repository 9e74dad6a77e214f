"""The mini recipe with a model of a hundred thousand parameters and a few steps: a whole run takes two seconds."""

from __future__ import annotations

from pathlib import Path

from sqllava.training.recipe import Recipe
from sqllava.training.recipe_file import load_recipe, override

STAGES = ("tower", "alignment", "answering", "self-questioning")

SMALL = (
    "model.vision={hidden_size: 48, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, "
    "image_size: 72, patch_size: 24}",
    "model.text={hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, "
    "num_key_value_heads: 2, max_position_embeddings: 512, tie_word_embeddings: true}",
    "model.projector.num_prototypes=4",
    "model.vocab_size=500",
    *(f"stages.{stage}.batch_size=8" for stage in STAGES),
    "save_every=null",
    "save_dtype=float32",
    "log_every=1",
)


def steps(count: int) -> list[str]:
    """Settings that give every stage so many steps."""
    return [f"stages.{stage}.steps={count}" for stage in STAGES]


def small_recipe(*settings: str) -> Recipe:
    """The recipe with `settings` on top."""
    return override(load_recipe("mini"), [*SMALL, *settings])


def training_root(folder: Path, scenes: int = 32) -> Path:
    """A training split of a few scenes."""
    from sqeval.data.mini.training import build_training

    build_training(folder, scenes=scenes)
    return folder
