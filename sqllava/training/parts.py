"""SQ-LLaVA from pretrained parts: a language model, a vision tower, and a new projector between them."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from sqllava.config import SqLlavaConfig
from sqllava.conversation import IMAGE, Template, template
from sqllava.conversion.vocabulary import load_tokenizer, rows_needed
from sqllava.errors import CheckpointError
from sqllava.modeling import SqLlavaForConditionalGeneration, new_projector
from sqllava.processing import SqLlavaProcessor
from sqllava.training.pretrained import check_complete, part_folder, read_part
from sqllava.training.recipe import PretrainedParts
from sqllava.training.towers import load_vision_tower

LANGUAGE_MODELS = ("llama", "mistral", "qwen2", "qwen3")
"""Types of language model that are a stack of layers and a bias-free head, with nothing in between."""


def assemble(
    parts: PretrainedParts, dtype: torch.dtype | None = None
) -> tuple[SqLlavaForConditionalGeneration, SqLlavaProcessor]:
    """The joined model and its processor, on the CPU.

    Pretrained weights have `dtype` (None: float32) and are held once; the projector is drawn from torch's global
    generator, in float32. Raises CheckpointError for parts that are missing, incomplete or of a kind that cannot be
    joined, TemplateError for a template with tokens that the language model does not know.
    """
    tower = load_vision_tower(parts.vision_tower, parts.vision_feature_layer, dtype or torch.float32)
    language, tokenizer = load_language_model(parts.language_model, template(parts.template), dtype or torch.float32)
    make_room(language, len(tokenizer))
    config = SqLlavaConfig(
        vision_config=tower.module.config,
        text_config=language.config,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=tower.patches,
        vision_feature_layer=parts.vision_feature_layer,
        projector_type=parts.projector.type,
        num_prototypes=parts.projector.num_prototypes,
        num_iterations=parts.projector.num_iterations,
        conversation_template=parts.template,
        image_aspect_ratio=parts.image_aspect_ratio,
        image_size=tower.pixels.side,
        image_mean=tower.pixels.mean,
        image_std=tower.pixels.std,
        sees_images=parts.sees_images,
        tie_word_embeddings=bool(language.config.tie_word_embeddings),
    )
    with torch.device("meta"):  # neither memory nor time for weights that are there already
        model = SqLlavaForConditionalGeneration(config)
    model.model.language_model, model.lm_head = language.model, language.lm_head
    model.model.vision_tower = tower.module
    model.model.multi_modal_projector = new_projector(config)
    return model, SqLlavaProcessor.for_config(config, tokenizer)


def load_language_model(name: str, spoken: Template, dtype: torch.dtype) -> tuple[Any, Any]:
    """Transformers' causal language model of a folder or hub id, and its tokenizer with ``<image>``.

    Raises CheckpointError, and TemplateError if the tokenizer lacks tokens of the template `spoken`; before weights are
    read if it can be told without them.
    """
    folder = part_folder("language_model", name)
    config = read_part("language_model", folder, AutoConfig)
    if config.model_type not in LANGUAGE_MODELS:
        known = ", ".join(LANGUAGE_MODELS)
        raise CheckpointError(f"model.language_model: {folder} is of type {config.model_type!r}; supported: {known}")
    tokenizer = load_tokenizer(folder)
    spoken.check(tokenizer)
    language, notes = read_part("language_model", folder, AutoModelForCausalLM, dtype=dtype, output_loading_info=True)
    check_complete("language_model", folder, notes)
    return language, tokenizer


@torch.no_grad()
def make_room(language: Any, tokens: int) -> None:
    """Give every token a row of the embeddings and of the head; there may be spare rows already.

    New rows are the mean of the old ones, so that a new token's logit is the mean logit: never the largest.
    """
    rows = language.config.vocab_size
    wanted = rows_needed(rows, tokens)
    if wanted == rows:
        return
    language.resize_token_embeddings(wanted, mean_resizing=False)
    for layer in (language.get_input_embeddings(), language.get_output_embeddings()):
        layer.weight[rows:] = layer.weight[:rows].mean(dim=0, dtype=torch.float32).to(layer.weight.dtype)
