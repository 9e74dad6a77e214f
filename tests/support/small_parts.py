"""Random language models and vision towers of a few thousand parameters, as folders that transformers reads."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    Dinov2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
    SiglipVisionConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

LANGUAGE = {"llama": LlamaConfig, "mistral": MistralConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config}
MEAN, STD = [0.5, 0.4, 0.3], [0.25, 0.2, 0.1]


@cache
def tokenizer(*special: str) -> Any:
    """Single bytes, <unk>, <s>, </s>, <pad> and the tokens `special`; no ``<image>``."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({byte: number for number, byte in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        extra_special_tokens=list(special),
    )  # fmt: skip


def language_model(folder: Path, kind: str = "llama", *, special: tuple[str, ...] = (), **overrides: Any) -> Path:
    """A language model and its `tokenizer`."""
    settings: dict[str, Any] = {
        "vocab_size": len(tokenizer(*special)), "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12, "initializer_range": 0.3,
        "max_position_embeddings": 2048,
    }  # fmt: skip
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(LANGUAGE[kind](**{**settings, **overrides})).save_pretrained(folder)
    tokenizer(*special).save_pretrained(folder)
    return folder


def vision_tower(folder: Path, kind: str = "clip", *, processor: bool = True, **overrides: Any) -> Path:
    """28-pixel images in patches of 14: 4 image tokens of 32; "pair" is CLIP with its text half."""
    settings: dict[str, Any] = {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 2,
        "image_size": 28, "patch_size": 14,
    }  # fmt: skip
    torch.manual_seed(2)
    if kind == "pair":
        text = CLIPTextConfig(
            hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=20
        )
        model: Any = CLIPModel(CLIPConfig(text_config=text, vision_config=CLIPVisionConfig(**settings, **overrides)))
    else:
        if kind == "dinov2":
            del settings["intermediate_size"]
        config = {"clip": CLIPVisionConfig, "dinov2": Dinov2Config, "siglip": SiglipVisionConfig}[kind]
        model = AutoModel.from_config(config(**{**settings, **overrides}))
    model.save_pretrained(folder)
    if processor:
        CLIPImageProcessorPil(
            size={"shortest_edge": 32}, crop_size={"height": 28, "width": 28}, image_mean=MEAN, image_std=STD
        ).save_pretrained(folder)
    return folder
