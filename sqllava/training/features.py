"""Image features of a frozen vision tower, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from sqllava.modeling import SqLlavaForConditionalGeneration
from sqllava.processing import SqLlavaProcessor
from sqllava.training.data import TrainingDataError


def load_pixels(root: Path, names: Sequence[str], processor: SqLlavaProcessor) -> Tensor:
    """Preprocessed images, (images, 3, S, S). Raises TrainingDataError for an unreadable one."""
    batches = []
    for start in range(0, len(names), 256):
        pictures = []
        for name in names[start : start + 256]:
            try:
                with Image.open(root / name) as picture:
                    pictures.append(picture.convert("RGB"))
            except OSError as error:
                raise TrainingDataError(f"{root / name}: cannot be read: {error}") from error
        batches.append(processor.image_processor(pictures, return_tensors="pt")["pixel_values"])
    return torch.cat(batches)


def tower_features(model: SqLlavaForConditionalGeneration, pixels: Tensor) -> Tensor:
    """What the projector gets: (images, 3, S, S) -> (images, L, D), CLS dropped."""
    hidden = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states
    features: Tensor = hidden[model.config.vision_feature_layer][:, 1:]
    return features


class FeatureCache:
    """Features of every image of a data set, looked up by name."""

    def __init__(self, model: SqLlavaForConditionalGeneration, pixels: Tensor, names: Sequence[str]) -> None:
        self._row = {name: i for i, name in enumerate(names)}
        with torch.inference_mode():
            parts = [pixels[start : start + 256] for start in range(0, len(pixels), 256)]
            self._features = torch.cat([tower_features(model, part.to(model.device)) for part in parts])

    def __call__(self, names: Sequence[str]) -> Tensor:
        """(len(names), L, D)."""
        return self._features[[self._row[name] for name in names]]
