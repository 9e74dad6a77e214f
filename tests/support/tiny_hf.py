"""Tiny random image-text-to-text models of transformers in folders, each with a processor of its own."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import tiny_sqllava as tiny
import torch
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

CHAT = (
    "{% for message in messages %}USER: {% for part in message['content'] %}"
    "{{ '<image>\n' if part['type'] == 'image' else part['text'] }}{% endfor %} ASSISTANT:{% endfor %}"
)


def llama(vocabulary: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=vocabulary, hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, bos_token_id=1, eos_token_id=2, pad_token_id=3,
        initializer_range=0.3,
    )  # fmt: skip


def write_llava(folder: Path, *, ends: int | list[int] = 2, template: str | None = CHAT) -> Path:
    """LLaVA: 24-pixel images in patches of 8, 9 image tokens."""
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=2, image_size=24, patch_size=8
    )
    tokenizer = deepcopy(tiny.tokenizer())
    config = LlavaConfig(
        vision_config=vision, text_config=llama(len(tokenizer)), image_token_index=4, image_seq_length=9,
        vision_feature_select_strategy="default",
    )  # fmt: skip
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24})
    processor = LlavaProcessor(
        pictures, tokenizer, patch_size=8, vision_feature_select_strategy="default", chat_template=template,
        num_additional_image_tokens=1,
    )  # fmt: skip
    return _saved(folder, model, processor, ends)


def write_idefics3(folder: Path, *, ends: int | list[int] = 2) -> Path:
    """Idefics3, SmolVLM's architecture: images are cut into tiles, as many as their shape asks for."""
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    tokenizer = deepcopy(tiny.tokenizer())
    pictures = Idefics3ImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    processor = Idefics3Processor(pictures, tokenizer, image_seq_len=4, chat_template=CHAT)
    vision = {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32,
        "patch_size": 8,
    }  # fmt: skip
    config = Idefics3Config(
        vision_config=vision, text_config=llama(len(tokenizer)), scale_factor=2, image_token_id=4, pad_token_id=3
    )
    torch.manual_seed(0)
    return _saved(folder, Idefics3ForConditionalGeneration(config), processor, ends)


def _saved(folder: Path, model: Any, processor: Any, ends: int | list[int]) -> Path:
    model.generation_config.eos_token_id = ends
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
