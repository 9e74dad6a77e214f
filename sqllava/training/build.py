"""The model and processor that a recipe starts from: new, from pretrained parts, or a whole checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from transformers.models.clip.configuration_clip import CLIPVisionConfig
from transformers.models.llama.configuration_llama import LlamaConfig

from sqllava.checkpoints import load
from sqllava.config import SqLlavaConfig
from sqllava.conversation import IMAGE, Template, Turn, template
from sqllava.modeling import SqLlavaForConditionalGeneration, new_projector
from sqllava.processing import SqLlavaProcessor
from sqllava.training.parts import assemble
from sqllava.training.recipe import Model, NewModel, StartingCheckpoint

BOS, EOS, UNKNOWN, PAD = "<s>", "</s>", "<unk>", "<pad>"


class HasTurns(Protocol):
    """What the tokenizer is trained on: anything with turns."""

    @property
    def turns(self) -> Sequence[Turn]: ...


def build(
    model: Model, corpus: Iterable[str] | None = None, *, dtype: torch.dtype | None = None
) -> tuple[SqLlavaForConditionalGeneration, SqLlavaProcessor]:
    """The model to be trained, on the CPU and in training mode, and its processor.

    corpus: text for the tokenizer of a new model (`tokenizer_corpus`); other models have their own.
    dtype: of pretrained weights; None: float32. The projector is always float32: every stage of the recipes trains it.

    Weights that are drawn come from torch's global generator. Raises CheckpointError, as `sqllava.load` and
    `sqllava.training.parts.assemble` do, and ValueError for a new model without a corpus.
    """
    if isinstance(model, NewModel):
        if corpus is None:
            raise ValueError("a new model needs a corpus for its tokenizer")
        made, processor = _new(model, corpus)
    elif isinstance(model, StartingCheckpoint):
        made, processor = load(model.checkpoint, device="cpu", dtype=str(dtype or torch.float32).removeprefix("torch."))
        made.model.multi_modal_projector.float()
    else:
        made, processor = assemble(model, dtype)
    return made.train(), processor


def tokenizer_corpus(conversations: Iterable[HasTurns]) -> Iterable[str]:
    """The text that the tokenizer is trained on: turns as they stand behind a role name and its space."""
    for conversation in conversations:
        for turn in conversation.turns:
            yield f"VUSER: {turn.text}" if turn.role == "user" else f"ASSISTANT: {turn.text}"
            yield "USER: "


def train_tokenizer(texts: Iterable[str], vocab_size: int, spoken: Template) -> PreTrainedTokenizerFast:
    """Byte-level BPE: any text can be written, and the words of the training text become single tokens.

    The tokens of the template `spoken` and the system texts of its family are single tokens too: word by word a
    system text would take up half of a small model's context and most of its training time, and say the same in every
    sample.
    """
    end = spoken.tokens[-1] if spoken.tokens else EOS
    extra = [IMAGE, *spoken.tokens[:-1], *_system_texts(spoken)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[UNKNOWN, BOS, end, PAD, *extra],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=UNKNOWN, bos_token=BOS, eos_token=end, pad_token=PAD,
        extra_special_tokens=extra, clean_up_tokenization_spaces=False,
    )  # fmt: skip


def _system_texts(spoken: Template) -> list[str]:
    """System texts of a template and of its asking sibling, cut where one continues the other."""
    first, second = sorted((one.system.strip() for one in (spoken, template(spoken.asking))), key=len)
    return [text for text in (first, second.replace(first, "") if first else second) if text]


def _new(recipe: NewModel, corpus: Iterable[str]) -> tuple[SqLlavaForConditionalGeneration, SqLlavaProcessor]:
    """Fresh weights and a tokenizer of its own."""
    tokenizer = train_tokenizer(corpus, recipe.vocab_size, template(recipe.template))
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
        projector_type=recipe.projector.type,
        num_prototypes=recipe.projector.num_prototypes,
        num_iterations=recipe.projector.num_iterations,
        conversation_template=recipe.template,
        sees_images=recipe.sees_images,
        tie_word_embeddings=bool(recipe.text.get("tie_word_embeddings", False)),
    )
    model = SqLlavaForConditionalGeneration(config)
    # Larger than transformers' 0.02, which suits widths of thousands: in a projector of width 100 it makes image
    # embeddings that are next to nothing and stay so for hundreds of steps.
    model.model.multi_modal_projector = new_projector(config)
    _draw_language_model(model, recipe.text.get("initializer_range"))
    return model, SqLlavaProcessor.for_config(config, tokenizer)


def _draw_language_model(model: SqLlavaForConditionalGeneration, spread: float | None) -> None:
    if spread is not None:
        for module in model.model.language_model.modules():
            if isinstance(module, torch.nn.Linear | torch.nn.Embedding):
                torch.nn.init.normal_(module.weight, std=spread)
