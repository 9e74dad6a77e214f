"""Configuration of SQ-LLaVA: LLaVA's, and what differs."""

# Annotations must be evaluated here: the strict dataclass checks values against them, and skips those it cannot read.

from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD
from transformers.models.llava.configuration_llava import LlavaConfig

ProjectorType = Literal["cluster", "mlp2x_gelu"]
AspectRatio = Literal["pad", "crop"]


@strict
class SqLlavaConfig(LlavaConfig):  # type: ignore[misc]
    """LLaVA's configuration plus the projector, and how the checkpoint wants to be asked.

    The fields of `LlavaConfig` keep their meaning and their defaults: hidden state -2 of the vision tower, CLS
    dropped (`vision_feature_select_strategy` "default"), 576 image tokens.
    """

    model_type = "sqllava"

    projector_type: ProjectorType = "cluster"
    """"cluster": prototype extractor and projector; "mlp2x_gelu": LLaVA-1.5's two layers."""
    num_prototypes: int = 256
    num_iterations: int = 2
    """Rounds of soft clustering in the prototype extractor."""
    image_aspect_ratio: AspectRatio = "pad"
    """How images become square: padded with the mean colour, or centre-cropped."""
    image_size: int | None = None
    """Side in pixels of the square that the tower gets; None: its own `vision_config.image_size`."""
    image_mean: list[float] | None = None
    image_std: list[float] | None = None
    """Mean and deviation of the tower's training pixels, by channel, in 0..1; None: CLIP's."""
    conversation_template: str = "v1"
    """Template of `sqllava.conversation` that benchmark questions are asked with."""
    sees_images: bool = True
    """False marks a blind control: prompts are rendered without ``<image>`` and pixels are never passed."""

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.image_size is None:
            self.image_size = self.vision_config.image_size
        self.image_mean = self.image_mean or list(OPENAI_CLIP_MEAN)
        self.image_std = self.image_std or list(OPENAI_CLIP_STD)
        if self.num_prototypes < 1 or self.num_iterations < 0:
            raise ValueError("num_prototypes must be at least 1 and num_iterations at least 0")


AutoConfig.register(SqLlavaConfig.model_type, SqLlavaConfig, exist_ok=True)
