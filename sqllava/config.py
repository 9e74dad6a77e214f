"""Configuration of SQ-LLaVA: LLaVA's, and what differs."""

# Annotations must be evaluated here: the strict dataclass checks values against them, and skips those it cannot read.

from dataclasses import field
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
    image_size: int = 0
    """Side in pixels of the squares that the tower gets; 0 becomes its own `vision_config.image_size`."""
    image_mean: list[float] = field(default_factory=lambda: list(OPENAI_CLIP_MEAN))
    image_std: list[float] = field(default_factory=lambda: list(OPENAI_CLIP_STD))
    """Mean and deviation of the pixels that the tower was trained on, by channel, in 0..1; CLIP's by default."""
    conversation_template: str = "v1"
    """Template of `sqllava.conversation` that benchmark questions are asked with."""
    sees_images: bool = True
    """False marks a blind control: prompts are rendered without ``<image>`` and pixels are never passed."""

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.image_size = self.image_size or self.vision_config.image_size
        if self.num_prototypes < 1 or self.num_iterations < 0:
            raise ValueError("num_prototypes must be at least 1 and num_iterations at least 0")


AutoConfig.register(SqLlavaConfig.model_type, SqLlavaConfig, exist_ok=True)
