"""Pretrained vision towers: their weights, the pixels they want, and the image tokens they give."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from sqllava.errors import CheckpointError
from sqllava.training.pretrained import check_complete, part_folder, read_part


@dataclass(frozen=True, slots=True)
class Pixels:
    """What a tower was trained on: squares of `side` pixels, normalised by channel with `mean` and `std`."""

    side: int
    mean: list[float]
    std: list[float]


@dataclass(frozen=True, slots=True)
class Tower:
    """A pretrained vision transformer that gives one CLS token and `patches` image tokens."""

    module: Any
    pixels: Pixels
    patches: int


def load_vision_tower(name: str, layer: int, dtype: torch.dtype) -> Tower:
    """The vision tower in a folder or hub id, alone or half of a CLIP-like pair; `layer` of its states will be used.

    Raises CheckpointError, before weights are read for a tower of the wrong kind.
    """
    folder = part_folder("vision_tower", name)
    config = read_part("vision_tower", folder, AutoConfig)
    config = getattr(config, "vision_config", config)
    if not all(isinstance(getattr(config, key, None), int) for key in ("image_size", "patch_size", "hidden_size")):
        raise CheckpointError(
            f"model.vision_tower: {folder} is of type {config.model_type!r}, no vision transformer with square patches "
            "(its configuration needs image_size, patch_size and hidden_size)"
        )
    pixels = _pixels(folder, config)
    patches = _count_patches(config, pixels.side, layer, folder)
    tower, notes = read_part("vision_tower", folder, AutoModel, config=config, dtype=dtype, output_loading_info=True)
    notes["unexpected_keys"] = ()  # the text half of a pair, classifiers
    check_complete("vision_tower", folder, notes)
    return Tower(tower, pixels, patches)


def _pixels(folder: Path, config: Any) -> Pixels:
    """From the folder's image processor; CLIP towers, which all share one normalisation, need none."""
    settings = _image_settings(folder)
    if settings is None:
        if config.model_type != "clip_vision_model":
            raise CheckpointError(
                f"model.vision_tower: {folder} has no preprocessor_config.json, so its normalisation is unknown"
            )
        return Pixels(config.image_size, list(OPENAI_CLIP_MEAN), list(OPENAI_CLIP_STD))
    side = settings.get("crop_size") or settings.get("size") or config.image_size
    if isinstance(side, dict):
        side = side.get("height", side.get("shortest_edge"))
    mean, std = settings.get("image_mean"), settings.get("image_std")
    if not (isinstance(side, int) and mean and std and settings.get("do_normalize", True)):
        raise CheckpointError(
            f"model.vision_tower: {folder}: its image processor needs image_mean, image_std and the side of its "
            "squares (crop_size or size)"
        )
    return Pixels(side, [float(value) for value in mean], [float(value) for value in std])


def _image_settings(folder: Path) -> dict[str, Any] | None:
    for name in ("preprocessor_config.json", "processor_config.json"):
        file = folder / name
        if file.is_file():
            try:
                settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            except (ValueError, RecursionError) as error:
                raise CheckpointError(f"model.vision_tower: {file}: is not JSON ({error})") from None
            nested: dict[str, Any] = settings.get("image_processor", settings)
            return nested
    return None


def _count_patches(config: Any, side: int, layer: int, folder: Path) -> int:
    """Image tokens of one image; a tower without weights is run to see that it gives one CLS token and its patches."""
    told = f"model.vision_tower: {folder}"
    try:
        with torch.device("meta"):
            tower = AutoModel.from_config(config)
            hidden = tower(pixel_values=torch.empty(1, 3, side, side), output_hidden_states=True).hidden_states
    except Exception as error:  # transformers' models each raise their own kinds
        raise CheckpointError(f"{told} cannot be used with {side}-pixel images: {error}") from error
    if not -len(hidden) <= layer < len(hidden):
        raise CheckpointError(f"{told} has {len(hidden)} hidden states; model.vision_feature_layer: {layer} is outside")
    found, patches = tuple(hidden[layer].shape), (side // config.patch_size) ** 2
    if found != (1, patches + 1, config.hidden_size):
        raise CheckpointError(
            f"{told} gives hidden states of shape {found}; expected one CLS token and {patches} patches of "
            f"{config.hidden_size}, (1, {patches + 1}, {config.hidden_size})"
        )
    return int(patches)
