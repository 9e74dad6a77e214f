"""Image features, as the projector gets them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from sqllava.modeling import SqLlavaForConditionalGeneration


def tower_features(model: SqLlavaForConditionalGeneration, pixels: Tensor) -> Tensor:
    """(images, 3, S, S) -> (images, L, D) of the configured layer, CLS dropped."""
    tower: Any = model.model.vision_tower
    dtype = next(tower.parameters()).dtype
    hidden = tower(pixels.to(dtype), output_hidden_states=True).hidden_states
    features: Tensor = hidden[model.config.vision_feature_layer][:, 1:]
    return features
