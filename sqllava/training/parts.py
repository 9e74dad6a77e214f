"""SQ-LLaVA from pretrained parts: a language model, a vision tower, and a new projector between them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from sqllava.checkpoints import quiet_transformers
from sqllava.config import SqLlavaConfig
from sqllava.conversation import IMAGE, template
from sqllava.errors import CheckpointError
from sqllava.hub import fetch, is_hub_name
from sqllava.modeling import SqLlavaForConditionalGeneration, new_projector
from sqllava.processing import SqLlavaProcessor
from sqllava.training.recipe import PretrainedParts

LANGUAGE_MODELS = ("llama", "mistral", "qwen2", "qwen3")
"""Types of language model that are a stack of layers and a bias-free head, with nothing in between."""

ROWS = 64
"""The vocabulary is filled up to a multiple of this, as transformers' LLaVA does: odd widths are slow on GPUs."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """What a vision tower was trained on: squares of `side` pixels, normalised by channel with `mean` and `std`."""

    side: int
    mean: list[float]
    std: list[float]


def assemble(
    parts: PretrainedParts, dtype: torch.dtype | None = None
) -> tuple[SqLlavaForConditionalGeneration, SqLlavaProcessor]:
    """The joined model and its processor, on the CPU.

    Pretrained weights have `dtype` (None: float32) and are held once; the projector is drawn from torch's global
    generator, in float32. Raises CheckpointError for parts that are missing, incomplete or of a kind that cannot be
    joined, TemplateError for a template with tokens that the language model does not know.
    """
    language, tokenizer = load_language_model(parts.language_model, dtype or torch.float32)
    tower, pixels = load_vision_tower(parts.vision_tower, dtype or torch.float32)
    template(parts.template).check(tokenizer)
    add_image_token(language, tokenizer)
    config = SqLlavaConfig(
        vision_config=tower.config,
        text_config=language.config,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=_patches(tower.config, pixels.side, parts),
        vision_feature_layer=parts.vision_feature_layer,
        projector_type=parts.projector.type,
        num_prototypes=parts.projector.num_prototypes,
        num_iterations=parts.projector.num_iterations,
        conversation_template=parts.template,
        image_aspect_ratio=parts.image_aspect_ratio,
        image_size=pixels.side,
        image_mean=pixels.mean,
        image_std=pixels.std,
        sees_images=parts.sees_images,
        tie_word_embeddings=bool(language.config.tie_word_embeddings),
    )
    with torch.device("meta"):
        model = SqLlavaForConditionalGeneration(config)
    model.model.language_model, model.lm_head = language.model, language.lm_head
    model.model.vision_tower = tower
    model.model.multi_modal_projector = new_projector(config)
    return model, SqLlavaProcessor.for_config(config, tokenizer)


def load_language_model(name: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """Transformers' causal language model of a folder or hub id, and its tokenizer. Raises CheckpointError."""
    folder = _folder("language_model", name)
    config = _read("language_model", folder, AutoConfig)
    if config.model_type not in LANGUAGE_MODELS:
        known = ", ".join(LANGUAGE_MODELS)
        raise CheckpointError(f"model.language_model: {folder} is of type {config.model_type!r}; supported: {known}")
    tokenizer = _read("language_model", folder, AutoTokenizer)
    if not getattr(tokenizer, "is_fast", False):
        raise CheckpointError(f"model.language_model: {folder} has no fast tokenizer (tokenizer.json)")
    language, notes = _read("language_model", folder, AutoModelForCausalLM, dtype=dtype, output_loading_info=True)
    _complete("language_model", folder, notes)
    return language, tokenizer


def load_vision_tower(name: str, dtype: torch.dtype) -> tuple[Any, Pixels]:
    """The vision tower in a folder or hub id, alone or as part of a CLIP-like pair, and the pixels it wants.

    Raises CheckpointError.
    """
    folder = _folder("vision_tower", name)
    config = _read("vision_tower", folder, AutoConfig)
    config = getattr(config, "vision_config", config)
    if not all(isinstance(getattr(config, key, None), int) for key in ("image_size", "patch_size", "hidden_size")):
        raise CheckpointError(
            f"model.vision_tower: {folder} is of type {config.model_type!r}, no vision transformer with square patches "
            "(its configuration needs image_size, patch_size and hidden_size)"
        )
    pixels = _pixels(folder, config)
    tower, notes = _read("vision_tower", folder, AutoModel, config=config, dtype=dtype, output_loading_info=True)
    notes["unexpected_keys"] = ()  # the text half of a pair, classifiers
    _complete("vision_tower", folder, notes)
    return tower, pixels


@torch.no_grad()
def add_image_token(language: Any, tokenizer: Any) -> None:
    """Teach the tokenizer ``<image>``, and give the token a row of the embeddings and of the head.

    New rows are the mean of the old ones, so that a new token's logit is the mean logit: never the largest.
    """
    if tokenizer.convert_tokens_to_ids(IMAGE) not in (None, tokenizer.unk_token_id):
        return
    known, rows = len(tokenizer), language.config.vocab_size
    tokenizer.add_special_tokens({"extra_special_tokens": [IMAGE]}, replace_extra_special_tokens=False)
    image = tokenizer.convert_tokens_to_ids(IMAGE)
    if image >= rows:
        language.resize_token_embeddings(image + 1, pad_to_multiple_of=ROWS, mean_resizing=False)
    for layer in (language.get_input_embeddings(), language.get_output_embeddings()):
        mean = layer.weight[: min(known, rows)].mean(dim=0, dtype=torch.float32).to(layer.weight.dtype)
        layer.weight[image] = mean
        layer.weight[rows:] = mean


def _pixels(folder: Path, config: Any) -> Pixels:
    """From the folder's image processor; CLIP towers, which all share one normalisation, need none."""
    settings = _image_settings(folder)
    if settings is None:
        if config.model_type != "clip_vision_model":
            raise CheckpointError(
                f"model.vision_tower: {folder} has no preprocessor_config.json, so its normalisation is unknown"
            )
        return Pixels(config.image_size, list(OPENAI_CLIP_MEAN), list(OPENAI_CLIP_STD))
    side = settings.get("crop_size") or settings.get("size") or config.image_size
    if isinstance(side, dict):
        side = side.get("height", side.get("shortest_edge"))
    mean, std = settings.get("image_mean"), settings.get("image_std")
    if not (isinstance(side, int) and mean and std and settings.get("do_normalize", True)):
        raise CheckpointError(
            f"model.vision_tower: {folder}: its image processor needs image_mean, image_std and the side of its "
            "squares (crop_size or size)"
        )
    return Pixels(side, [float(value) for value in mean], [float(value) for value in std])


def _image_settings(folder: Path) -> dict[str, Any] | None:
    for name in ("preprocessor_config.json", "processor_config.json"):
        file = folder / name
        if file.is_file():
            try:
                settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            except ValueError as error:
                raise CheckpointError(f"model.vision_tower: {file}: is not JSON ({error})") from None
            nested: dict[str, Any] = settings.get("image_processor", settings)
            return nested
    return None


def _patches(config: Any, side: int, parts: PretrainedParts) -> int:
    """Image tokens of one image; a tower without weights is run to see that it gives one CLS token and its patches."""
    told, layer = f"model.vision_tower: {parts.vision_tower}", parts.vision_feature_layer
    try:
        with torch.device("meta"):
            tower = AutoModel.from_config(config)
            hidden = tower(pixel_values=torch.empty(1, 3, side, side), output_hidden_states=True).hidden_states
    except Exception as error:  # transformers' models each raise their own kinds
        raise CheckpointError(f"{told} cannot be used with {side}-pixel images: {error}") from error
    if not -len(hidden) <= layer < len(hidden):
        raise CheckpointError(
            f"model.vision_feature_layer: {layer}: {parts.vision_tower} has {len(hidden)} hidden states"
        )
    found, patches = tuple(hidden[layer].shape), (side // config.patch_size) ** 2
    if found != (1, patches + 1, config.hidden_size):
        raise CheckpointError(
            f"{told} gives hidden states of shape {found}; expected one CLS token and {patches} patches of "
            f"{config.hidden_size}, (1, {patches + 1}, {config.hidden_size})"
        )
    return int(patches)


def _folder(key: str, name: str) -> Path:
    if Path(name).is_dir():
        return Path(name)
    if is_hub_name(name):
        return fetch(name)
    raise CheckpointError(f"model.{key}: {name}: no such folder; give a folder or a hub id")


def _read(key: str, folder: Path, kind: Any, **kwargs: Any) -> Any:
    """`kind.from_pretrained(folder)`, its many errors as one."""
    try:
        with quiet_transformers():
            return kind.from_pretrained(folder, local_files_only=True, **kwargs)
    except Exception as error:  # transformers, tokenizers and safetensors each raise their own kinds
        message = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        raise CheckpointError(f"model.{key}: {folder} cannot be loaded: {message}") from error


def _complete(key: str, folder: Path, notes: dict[str, Any]) -> None:
    """Refuse weights that do not fit the configuration: transformers would draw or drop them."""
    for fault in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if notes[fault]:
            names = ", ".join(sorted(map(str, notes[fault]))[:5])
            raise CheckpointError(f"model.{key}: {folder}: {fault.replace('_keys', '')} weights: {names}")
