"""Configurations: what the release writes into ``config.json``, and ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import CLIPVisionConfig, LlamaConfig
from transformers.models.llava.configuration_llava import LlavaConfig

from sqllava.config import SqLlavaConfig
from sqllava.conversion.layout import Kind, Layout, read_json
from sqllava.errors import CheckpointError

PROTOTYPES, ITERATIONS = 256, 2
"""Of the release's prototype extractor; its configurations do not store them."""

PROJECTORS = ("cluster", "mlp2x_gelu")
_ASPECTS = {None: "pad", "pad": "pad", "square": "crop", "crop": "crop"}
"""Where a checkpoint does not say how its images become square they are padded, as in training."""
_SELECT = {"patch": "default", "cls_patch": "full"}

_SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
_COMPARED = (*_SIZES, "num_key_value_heads", "rms_norm_eps", "hidden_act")
"""Fields of a language model that a checkpoint and its base must agree in; a wrong base can have the right shapes."""


def model_config(layout: Layout, base: Path | None, tower: Path | None) -> SqLlavaConfig:
    """Our configuration for a checkpoint, its base and its vision tower.

    The vocabulary is the checkpoint's as yet; see `sqllava.conversion.vocabulary`. Raises CheckpointError for missing
    fields, kinds of projector and of prompting that are not supported, and a base that cannot be the right one.
    """
    if layout.kind is Kind.llava:
        return _from_transformers(layout.folder)
    config = layout.config
    where = layout.folder / "config.json"
    if not config:
        raise CheckpointError(f"{layout.folder}: has no config.json, which says how its projector works")
    _check_prompting(where, config)
    text = _text_config(where, config)
    if base is not None:
        _check_base(where, text, base)
    vision = vision_config(tower)
    if config.get("mm_hidden_size", vision.hidden_size) != vision.hidden_size:
        raise CheckpointError(
            f"{tower}: the vision tower is {vision.hidden_size} wide, but {where} has mm_hidden_size"
            f" {config['mm_hidden_size']}; give the right --vision-tower"
        )
    strategy = _choice(where, config, "mm_vision_select_feature", _SELECT, "patch")
    tokens = (vision.image_size // vision.patch_size) ** 2
    return SqLlavaConfig(
        text_config=text,
        vision_config=vision,
        projector_type=config["mm_projector_type"],
        num_prototypes=PROTOTYPES,
        num_iterations=ITERATIONS,
        image_aspect_ratio=_choice(where, config, "image_aspect_ratio", _ASPECTS, None),
        vision_feature_layer=int(config.get("mm_vision_select_layer", -2)),
        vision_feature_select_strategy=strategy,
        image_seq_length=tokens + (strategy == "full"),
        tie_word_embeddings=text.tie_word_embeddings,
    )


def vision_config(tower: Path | None) -> CLIPVisionConfig:
    """Of a CLIP folder, or of a LLaVA folder of transformers with a CLIP inside. Raises CheckpointError."""
    if tower is None:
        raise CheckpointError("the vision tower's configuration is missing; give --vision-tower, a CLIP folder")
    found = read_json(tower / "config.json")
    nested = found.get("vision_config")
    inner = nested if isinstance(nested, dict) else found
    kind = inner.get("model_type", found.get("model_type"))
    if kind not in ("clip", "clip_vision_model"):
        raise CheckpointError(f"{tower}: config.json is of model type {kind!r}; the vision tower must be a CLIP")
    missing = [name for name in (*_SIZES, "image_size", "patch_size") if inner is found and name not in inner]
    if missing:
        raise CheckpointError(f"{tower}: config.json lacks {', '.join(missing)}")
    return CLIPVisionConfig.from_dict({**inner, "model_type": "clip_vision_model"})


def _from_transformers(folder: Path) -> SqLlavaConfig:
    found = LlavaConfig.from_pretrained(folder, local_files_only=True)
    if found.vision_config.model_type not in ("clip", "clip_vision_model"):
        raise CheckpointError(
            f"{folder}: the vision tower is of model type {found.vision_config.model_type!r}; only CLIP is supported"
        )
    taken = ("image_seq_length", "projector_hidden_act", "vision_feature_layer", "vision_feature_select_strategy")
    return SqLlavaConfig(
        text_config=found.text_config,
        vision_config=found.vision_config,
        projector_type="mlp2x_gelu",
        multimodal_projector_bias=found.multimodal_projector_bias,
        tie_word_embeddings=found.tie_word_embeddings,
        **{name: getattr(found, name) for name in taken},
    )


def _text_config(where: Path, config: Mapping[str, Any]) -> LlamaConfig:
    missing = [name for name in (*_SIZES, "rms_norm_eps") if name not in config]
    if missing:
        raise CheckpointError(f"{where}: lacks {', '.join(missing)}; a LLaMA configuration was expected")
    known = {*LlamaConfig().to_dict(), "rope_theta", "rope_scaling"} - {
        *("architectures", "model_type", "_name_or_path", "transformers_version", "dtype")
    }
    return LlamaConfig(**{name: value for name, value in config.items() if name in known})


def _check_base(where: Path, text: LlamaConfig, base: Path) -> None:
    found = read_json(base / "config.json")
    nested = found.get("text_config")
    if isinstance(nested, dict):
        found = LlavaConfig.from_dict(found).text_config.to_dict() if found.get("model_type") == "llava" else nested
    if not found:
        raise CheckpointError(f"{base}: has no config.json; give the folder of the base language model as --base")
    other = _text_config(base / "config.json", found)
    wrong = [
        f"{name} is {getattr(other, name)!r} there and {getattr(text, name)!r} here"
        for name in (*_COMPARED, "rope_parameters")
        if getattr(other, name) != getattr(text, name)
    ]
    if wrong:
        raise CheckpointError(f"{base}: cannot be the base that {where} belongs to: {'; '.join(wrong)}")


def _check_prompting(where: Path, config: Mapping[str, Any]) -> None:
    kind = config.get("mm_projector_type", "linear")
    if kind not in PROJECTORS:
        raise CheckpointError(
            f"{where}: mm_projector_type is {kind!r}; supported are {' and '.join(PROJECTORS)} (SQ-LLaVA, LLaVA-1.5)"
        )
    if config.get("mm_use_im_start_end"):
        raise CheckpointError(f"{where}: mm_use_im_start_end is set; prompts with start and end tokens around images"
                              " are not supported")  # fmt: skip
    if config.get("mm_patch_merge_type", "flat") != "flat":
        raise CheckpointError(
            f"{where}: mm_patch_merge_type is {config['mm_patch_merge_type']!r}; only flat is supported"
        )


def _choice(where: Path, config: Mapping[str, Any], name: str, choices: Mapping[Any, str], default: str | None) -> str:
    value = config.get(name, default)
    if value not in choices:
        known = ", ".join(repr(choice) for choice in choices if choice is not None)
        raise CheckpointError(f"{where}: {name} is {value!r}; supported are {known}")
    return choices[value]
