"""What kind of checkpoint a folder is, told from its configurations and file names; no weights are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqllava.conversion.sources import named_folder
from sqllava.errors import CheckpointError

VISION_ADAPTER = "Vit-lora"
"""Folder in a released checkpoint that holds the adapter of the vision tower."""


class Kind(StrEnum):
    """The layouts that are recognised."""

    release_lora = "release-lora"
    projector = "projector"
    full = "full"
    llava = "transformers-llava"
    sqllava = "sqllava"
    adapter = "adapter"


DESCRIPTIONS = {
    Kind.release_lora: "LoRA checkpoint in the release's layout (stage 2)",
    Kind.projector: "projector alone in the release's layout (stage 1)",
    Kind.full: "full or merged weights under LLaVA's original names",
    Kind.llava: "LlavaForConditionalGeneration of transformers",
    Kind.sqllava: "SQ-LLaVA written by save_pretrained",
    Kind.adapter: "PEFT adapter over an SQ-LLaVA folder",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """A recognised checkpoint folder."""

    kind: Kind
    folder: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    """``config.json``; empty where there is none."""
    adapter_config: Mapping[str, Any] = field(default_factory=dict)
    """``adapter_config.json``; empty where there is none."""

    @property
    def description(self) -> str:
        """For people."""
        return DESCRIPTIONS[self.kind]

    @property
    def to_convert(self) -> bool:
        """Whether `sqllava.conversion.convert.convert` makes a folder that `sqllava.load` takes out of it."""
        return self.kind not in (Kind.sqllava, Kind.adapter)

    @property
    def needs_base(self) -> bool:
        """Whether the language model comes from elsewhere."""
        return self.kind in (Kind.release_lora, Kind.projector)

    @property
    def base_name(self) -> str | None:
        """What the checkpoint says that it was trained on: a path or hub id on the machine that trained it."""
        named = self.adapter_config.get("base_model_name_or_path") or self.config.get("_name_or_path")
        return str(named) if self.needs_base and named else None

    @property
    def vision_tower_name(self) -> str | None:
        """What the checkpoint says that its vision tower is: a path or hub id."""
        named = self.config.get("mm_vision_tower") or self.config.get("vision_tower")
        return str(named) if named else None


def recognise(folder: Path) -> Layout | None:
    """The layout of `folder`, or None if it is none of `Kind`.

    Raises CheckpointError if a configuration in it is not JSON.
    """
    config = read_json(folder / "config.json")
    adapter_config = read_json(folder / "adapter_config.json")
    kind = _kind(folder, config, adapter_config)
    return None if kind is None else Layout(kind, folder, config, adapter_config)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object; empty if there is no such file. Raises CheckpointError if it is anything else."""
    if not file.is_file():
        return {}
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{file}: is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{file}: is not a JSON object")
    return value


def stored_as(folder: Path, stem: str) -> Path | None:
    """``stem.safetensors`` or else ``stem.bin`` in `folder`, whichever exists."""
    return next((file for kind in ("safetensors", "bin") if (file := folder / f"{stem}.{kind}").is_file()), None)


def _kind(folder: Path, config: dict[str, Any], adapter_config: dict[str, Any]) -> Kind | None:
    original = "mm_projector_type" in config or "mm_vision_tower" in config
    extras = stored_as(folder, "non_lora_trainables") is not None or (folder / VISION_ADAPTER).is_dir()
    if adapter_config:
        if original or extras:
            return Kind.release_lora
        return Kind.adapter if _is_over_sqllava(folder, adapter_config) else None
    if config.get("model_type") == "sqllava":
        return Kind.sqllava
    if config.get("model_type") == "llava" and "vision_config" in config:
        return Kind.llava
    if original and has_model(folder):
        return Kind.full
    if original and stored_as(folder, "mm_projector") is not None:
        return Kind.projector
    return None


def has_model(folder: Path) -> bool:
    """Whether `folder` holds the weights of a whole model, under the names that transformers gives them."""
    return any(any(folder.glob(pattern)) for pattern in ("model*.safetensors", "pytorch_model*.bin"))


def _is_over_sqllava(folder: Path, adapter_config: dict[str, Any]) -> bool:
    mapping = adapter_config.get("auto_mapping") or {}
    if mapping.get("base_model_class") == "SqLlavaForConditionalGeneration":
        return True
    name = str(adapter_config.get("base_model_name_or_path") or "")
    base = named_folder(str(folder / name)) or named_folder(name) if name else None
    return base is not None and read_json(base / "config.json").get("model_type") == "sqllava"
