"""A random SQ-LLaVA of a few thousand parameters with its own tokenizer, built in a moment."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import CLIPVisionConfig, LlamaConfig, PreTrainedTokenizerFast

from sqllava import SqLlavaConfig, SqLlavaForConditionalGeneration, SqLlavaProcessor
from sqllava.conversation import TEMPLATES

LINES = (
    *(template.system for template in TEMPLATES.values()),
    "USER: Is there a red circle in the image? ASSISTANT: yes VUSER: What colour is the large square? blue",
    "How many green triangles are there? Describe the image in detail. A small star is left of a ring.",
)


@cache
def tokenizer() -> Any:
    """Byte-level BPE of 300 tokens; ids 0 to 4 are <unk>, <s>, </s>, <pad>, <image>."""
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(LINES, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
    )


def config(**overrides: Any) -> SqLlavaConfig:
    """24-pixel images in patches of 8: 9 image tokens."""
    settings: dict[str, Any] = {
        "vision_config": CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=24,
            patch_size=8,
        ),
        "text_config": LlamaConfig(
            vocab_size=len(tokenizer()),
            hidden_size=48,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=1024,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=3,
            initializer_range=0.3,
        ),
        "image_token_index": 4,
        "image_seq_length": 9,
        "num_prototypes": 5,
    }
    return SqLlavaConfig(**{**settings, **overrides})


def model(seed: int = 0, **overrides: Any) -> SqLlavaForConditionalGeneration:
    torch.manual_seed(seed)
    return SqLlavaForConditionalGeneration(config(**overrides)).eval()


def processor(**overrides: Any) -> SqLlavaProcessor:
    return SqLlavaProcessor.for_config(config(**overrides), tokenizer())
