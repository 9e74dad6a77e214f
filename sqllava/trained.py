"""Which parts of a checkpoint were trained and how, as far as the files beside the weights tell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqllava import adapters
from sqllava.conversion.layout import Kind
from sqllava.errors import CheckpointError
from sqllava.headers import Header

EXTRACTOR, LAYERS = "prototype extractor", "projector layers"
ORDER = ("vision tower", EXTRACTOR, LAYERS, "language model")
"""Parts in the order in which an image passes through them."""

PARTS = {
    "model.vision_tower.": "vision tower",
    "model.multi_modal_projector.mlp.": LAYERS,
    "model.multi_modal_projector.linear_": LAYERS,
    "model.multi_modal_projector.": EXTRACTOR,
    "model.language_model.": "language model",
    "lm_head.": "language model",
}
"""Beginnings of weights' names, the more exact ones first -> part, as people read it."""

IN_FULL = "in full"
TRAINED_PROJECTOR = (Kind.release_lora, Kind.projector)
"""Layouts of nothing but what a stage trained."""

_RECIPE_PARTS = {
    "vision_tower": ("vision tower",),
    "projector": (EXTRACTOR, LAYERS),
    "language_model": ("language model",),
}


def part_of(name: str) -> str:
    """The part that a weight belongs to, by its name in `SqLlavaForConditionalGeneration`."""
    return next((part for prefix, part in PARTS.items() if name.startswith(prefix)), "other")


def lora_words(r: Iterable[int], alpha: Iterable[float]) -> str:
    """``LoRA r 64, alpha 128``; the range where modules differ."""
    return f"LoRA r {_range(r)}, alpha {_range(alpha)}"


def by_adapter(config: Mapping[str, Any], header: Mapping[str, Header]) -> dict[str, str]:
    """Part -> how an adapter of ours trained it, from its configuration and the shapes of its weights."""
    ranks: dict[str, set[int]] = {}
    alphas: dict[str, set[float]] = {}
    how: dict[str, str] = {}
    for key, tensor in header.items():
        name = key.removeprefix(adapters.PREFIX)
        module, is_lora, _ = name.partition(".lora_A.")
        if is_lora:
            ranks.setdefault(part_of(name), set()).add(tensor.shape[0])
            alphas.setdefault(part_of(name), set()).add(_alpha(config, module))
        elif ".lora_B." not in name:
            how[part_of(name)] = IN_FULL
    return how | {part: lora_words(ranks[part], alphas[part]) for part in ranks}


def by_recipe(recipe: Mapping[str, Any]) -> dict[str, str]:
    """Part -> how the stages of a recipe trained it, in their order: ``in full``, or LoRA, by now merged."""
    found: dict[str, list[str]] = {}
    for stage in recipe.get("stages", ()):
        trained = stage.get("trained", {})
        settings = trained if isinstance(trained, dict) else dict.fromkeys(trained)
        for name, how in settings.items():
            lora = (how or {}).get("lora")
            words = IN_FULL if lora is None else lora_words([lora["r"]], [lora["alpha"]])
            for part in _RECIPE_PARTS.get(name, (name,)):
                if words not in found.setdefault(part, []):
                    found[part].append(words)
    return {part: ", then ".join(words) for part, words in found.items()}


def by_conversion(record: Mapping[str, Any]) -> dict[str, str]:
    """Part -> how the release trained it that the record of a conversion (``provenance.json``) is about."""
    if record.get("layout") not in TRAINED_PROJECTOR:
        return {}  # whole weights do not say
    how = dict.fromkeys((EXTRACTOR, LAYERS), IN_FULL)
    merged = {part: settings for part, settings in record.get("adapters", {}).items() if settings.get("merged")}
    return how | {part: by_settings(settings) for part, settings in merged.items()}


def by_settings(settings: Mapping[str, Any]) -> str:
    """How an adapter with these settings trains."""
    ranks = [settings["r"], *(settings.get("rank_pattern") or {}).values()]
    return lora_words(ranks, [settings["lora_alpha"], *(settings.get("alpha_pattern") or {}).values()])


def read_json(file: Path) -> dict[str, Any] | None:
    """The object in a file beside the weights, None if there is no such file. Raises CheckpointError."""
    if not file.is_file():
        return None
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{file}: is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{file}: is not a JSON object")
    return value


def _alpha(config: Mapping[str, Any], module: str) -> float:
    """As PEFT finds it: the first pattern that matches the end of the module's name."""
    patterns: Mapping[str, float] = config.get("alpha_pattern") or {}
    return next(
        (alpha for pattern, alpha in patterns.items() if re.match(rf"(.*\.)?({pattern})$", module)),
        config["lora_alpha"],
    )


def _range(values: Iterable[float]) -> str:
    low, high = min(values := list(values)), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
