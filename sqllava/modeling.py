"""SQ-LLaVA as a transformers model: transformers' LLaVA with another projector."""

from __future__ import annotations

import torch
from torch import nn
from transformers import AutoModelForImageTextToText
from transformers import initialization as init
from transformers.models.llava.modeling_llava import (
    LlavaForConditionalGeneration,
    LlavaModel,
    LlavaMultiModalProjector,
    LlavaPreTrainedModel,
)

from sqllava.config import SqLlavaConfig
from sqllava.prototypes import PrototypeProjector


class SqLlavaPreTrainedModel(LlavaPreTrainedModel):  # type: ignore[misc]
    """What the two classes below share: the configuration class and the initialisation of the prototypes."""

    config: SqLlavaConfig
    config_class = SqLlavaConfig

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, PrototypeProjector):
            init.ones_(module.sim_alpha)
            init.zeros_(module.sim_beta)


class SqLlavaModel(SqLlavaPreTrainedModel, LlavaModel):  # type: ignore[misc]
    """Vision tower, projector and language model, without a language-modelling head."""

    def __init__(self, config: SqLlavaConfig) -> None:
        super().__init__(config)
        if config.projector_type == "cluster":
            self.multi_modal_projector = new_projector(config)
            self.post_init()


def new_projector(config: SqLlavaConfig) -> nn.Module:
    """The projector of `config` with weights drawn the way torch does for each kind of layer."""
    if config.projector_type == "mlp2x_gelu":
        mlp: nn.Module = LlavaMultiModalProjector(config)
        return mlp
    return PrototypeProjector(
        config.vision_config.hidden_size,
        config.text_config.hidden_size,
        num_prototypes=config.num_prototypes,
        num_iterations=config.num_iterations,
    )


class SqLlavaForConditionalGeneration(SqLlavaPreTrainedModel, LlavaForConditionalGeneration):  # type: ignore[misc]
    """The whole model; call and `generate` as transformers' `LlavaForConditionalGeneration`."""

    def __init__(self, config: SqLlavaConfig) -> None:
        # Past LLaVA's own constructor, which would build (and initialise) its whole model first.
        super(LlavaForConditionalGeneration, self).__init__(config)
        self.model = SqLlavaModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()


AutoModelForImageTextToText.register(SqLlavaConfig, SqLlavaForConditionalGeneration, exist_ok=True)
