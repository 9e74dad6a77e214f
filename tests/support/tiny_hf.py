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
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    Gemma3TextConfig,
    GemmaConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessorPil,
    LlavaNextProcessor,
    LlavaProcessor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    PreTrainedTokenizerFast,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
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


def clip() -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=2, image_size=24, patch_size=8
    )


def siglip(**settings: Any) -> SiglipVisionConfig:
    return SiglipVisionConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, image_size=24, patch_size=8,
        **settings,
    )  # fmt: skip


GEMMA = {
    "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 12, "initializer_range": 0.3, "bos_token_id": 1, "eos_token_id": 2,
    "pad_token_id": 3, "max_position_embeddings": 512, "tie_word_embeddings": False,
}  # fmt: skip


def write_llava(folder: Path, *, ends: int | list[int] = 2, template: str | None = CHAT) -> Path:
    """LLaVA: 24-pixel images in patches of 8, 9 image tokens."""
    tokenizer = deepcopy(tiny.tokenizer())
    config = LlavaConfig(
        vision_config=clip(), text_config=llama(len(tokenizer)), image_token_index=4, image_seq_length=9,
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


def write_llava_next(folder: Path, *, ends: int | list[int] = 2) -> Path:
    """LLaVA-NeXT: a whole image and tiles of it, in the grid that fits its shape best."""
    tokenizer, grids = deepcopy(tiny.tokenizer()), [[24, 48], [48, 24], [48, 48]]
    config = LlavaNextConfig(
        vision_config=clip(), text_config=llama(len(tokenizer)), image_token_index=4, image_grid_pinpoints=grids
    )
    pictures = LlavaNextImageProcessorPil(
        size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}, image_grid_pinpoints=grids
    )
    processor = LlavaNextProcessor(
        pictures, tokenizer, patch_size=8, vision_feature_select_strategy="default", chat_template=CHAT,
        num_additional_image_tokens=1,
    )  # fmt: skip
    torch.manual_seed(0)
    return _saved(folder, LlavaNextForConditionalGeneration(config), processor, ends)


def write_paligemma(folder: Path, *, ends: int | list[int] = 2) -> Path:
    """PaliGemma: the whole prompt sees itself in both directions. Its processor takes no question without an image."""
    tokenizer = deepcopy(tiny.tokenizer())
    text = GemmaConfig(vocab_size=len(tokenizer) + 1200, **GEMMA)  # its processor adds tokens for places and segments
    config = PaliGemmaConfig(
        vision_config=siglip(projection_dim=48),
        text_config=text,
        image_token_index=4,
        projection_dim=48,
        hidden_size=48,
    )
    pictures = SiglipImageProcessorPil(size={"height": 24, "width": 24})
    pictures.image_seq_length = 9
    torch.manual_seed(0)
    model = PaliGemmaForConditionalGeneration(config)
    return _saved(folder, model, PaliGemmaProcessor(pictures, tokenizer, chat_template=CHAT), ends)


def write_gemma3(folder: Path, *, ends: int | list[int] = 2) -> Path:
    """Gemma 3: an image's tokens see each other in both directions, between tokens of its own."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=deepcopy(tiny.tokenizer()).backend_tokenizer,
        unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>", "boi_token": "<boi>", "eoi_token": "<eoi>"},
    )  # fmt: skip
    config = Gemma3Config(
        vision_config=siglip(vision_use_head=False), text_config=Gemma3TextConfig(vocab_size=len(tokenizer), **GEMMA),
        mm_tokens_per_image=9, image_token_index=4, boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id, tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Gemma3ForConditionalGeneration(config)
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight)  # zeros would see nothing
    pictures = Gemma3ImageProcessorPil(size={"height": 24, "width": 24})
    template = CHAT.replace("<image>", "<boi>")
    return _saved(folder, model, Gemma3Processor(pictures, tokenizer, image_seq_length=9, chat_template=template), ends)


def _saved(folder: Path, model: Any, processor: Any, ends: int | list[int]) -> Path:
    model.generation_config.eos_token_id = ends
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
