"""A new model and processor from a recipe: tokenizer trained on the training text, weights drawn at random."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from transformers.models.clip.configuration_clip import CLIPVisionConfig
from transformers.models.llama.configuration_llama import LlamaConfig

from sqllava.config import SqLlavaConfig
from sqllava.conversation import IMAGE, TEMPLATES
from sqllava.modeling import SqLlavaForConditionalGeneration
from sqllava.processing import SqLlavaProcessor
from sqllava.training.data import Conversation
from sqllava.training.recipe import ModelRecipe

BOS, EOS, UNKNOWN, PAD = "<s>", "</s>", "<unk>", "<pad>"


def system_texts() -> list[str]:
    """The system texts of the templates, cut where one continues another: each becomes a single token.

    Word by word they would take up half of a small model's context and most of its training time, and say the same
    in every sample.
    """
    texts: list[str] = []
    for system in sorted((t.system.strip() for t in TEMPLATES.values()), key=len):
        for known in texts:
            system = system.replace(known, "")
        if system:
            texts.append(system)
    return texts


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE: any text can be written, and the words of the training text become single tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[UNKNOWN, BOS, EOS, PAD, IMAGE, *system_texts()],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=UNKNOWN, bos_token=BOS, eos_token=EOS, pad_token=PAD,
        extra_special_tokens=[IMAGE, *system_texts()], clean_up_tokenization_spaces=False,
    )  # fmt: skip


def tokenizer_corpus(conversations: Sequence[Conversation]) -> Iterable[str]:
    """The text that the tokenizer is trained on: turns as they stand behind a role name and its space."""
    for conversation in conversations:
        for turn in conversation.turns:
            yield f"VUSER: {turn.text}" if turn.role == "user" else f"ASSISTANT: {turn.text}"
            yield "USER: "


def build(recipe: ModelRecipe, corpus: Iterable[str]) -> tuple[SqLlavaForConditionalGeneration, SqLlavaProcessor]:
    """A model with fresh weights (drawn from torch's global generator) and its processor."""
    tokenizer = train_tokenizer(corpus, recipe.vocab_size)
    vision = CLIPVisionConfig(**recipe.vision)
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **recipe.text,
    )
    config = SqLlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=(vision.image_size // vision.patch_size) ** 2,
        vision_feature_layer=recipe.vision_feature_layer,
        num_prototypes=recipe.num_prototypes,
        num_iterations=recipe.num_iterations,
        sees_images=recipe.sees_images,
        tie_word_embeddings=bool(recipe.text.get("tie_word_embeddings", False)),
    )
    model = SqLlavaForConditionalGeneration(config)
    _draw_weights(model, recipe.text.get("initializer_range"))
    return model, SqLlavaProcessor.for_config(config, tokenizer)


def _draw_weights(model: SqLlavaForConditionalGeneration, spread: float | None) -> None:
    """Start a new model larger than transformers does: its 0.02 suits widths of thousands.

    In a projector of width 100 it makes image embeddings that are next to nothing and stay so for hundreds of steps.
    """
    for module in model.model.multi_modal_projector.modules():
        if isinstance(module, torch.nn.Linear):
            module.reset_parameters()
    if spread is not None:
        for module in model.model.language_model.modules():
            if isinstance(module, torch.nn.Linear | torch.nn.Embedding):
                torch.nn.init.normal_(module.weight, std=spread)
