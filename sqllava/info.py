"""What a checkpoint is, read from its configuration and the headers of its weights; no tensor is loaded."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqllava.checkpoints import read_config, resolve, weight_files
from sqllava.errors import CheckpointError

PARTS = {
    "model.vision_tower.": "vision tower",
    "model.multi_modal_projector.mlp.": "projector layers",
    "model.multi_modal_projector.linear_": "projector layers",
    "model.multi_modal_projector.": "prototype extractor",
    "model.language_model.": "language model",
    "lm_head.": "language model",
}
"""Beginnings of weights' names, the more exact ones first."""

_HEADER_LIMIT = 100_000_000
"""Bytes; safetensors refuses longer headers."""


@dataclass(frozen=True, slots=True)
class Info:
    """What `sqllava info` prints."""

    folder: Path
    kind: str
    projector: str
    template: str
    image: str
    """How images become the square that the vision tower takes."""
    sees_images: bool
    dtypes: dict[str, int]
    """Number of tensors by stored dtype."""
    parameters: dict[str, int]
    """Number of parameters by part."""

    def lines(self) -> list[str]:
        """For people: one fact a line."""
        stored = ", ".join(f"{dtype} ({count} tensors)" for dtype, count in self.dtypes.items())
        facts = {
            "folder": str(self.folder),
            "kind": self.kind,
            "projector kind": self.projector,
            "template": self.template,
            "image": self.image if self.sees_images else "withheld (a blind control)",
            "stored as": stored,
            **{part: f"{count:,} parameters" for part, count in self.parameters.items()},
            "in all": f"{sum(self.parameters.values()):,} parameters",
        }
        return [f"{name:<21}{value}" for name, value in facts.items()]


def inspect(checkpoint: str | Path) -> Info:
    """Read a checkpoint's facts. Raises CheckpointError as `sqllava.load` does, and for unreadable headers."""
    folder = resolve(checkpoint)
    config = read_config(folder, "a checkpoint")
    dtypes: Counter[str] = Counter()
    parameters: Counter[str] = Counter()
    for file in weight_files(folder):
        for name, tensor in read_header(file).items():
            dtypes[tensor["dtype"]] += 1
            parameters[_part(name)] += math.prod(tensor["shape"])
    clusters = f"cluster: {config.get('num_prototypes')} prototypes, {config.get('num_iterations')} iterations"
    vision = config.get("vision_config", {})
    side, patch = vision.get("image_size"), vision.get("patch_size")
    return Info(
        folder=folder,
        kind=str(config["model_type"]),
        projector=clusters if config.get("projector_type") == "cluster" else str(config.get("projector_type")),
        template=str(config.get("conversation_template")),
        image=f"{config.get('image_aspect_ratio')} to {side} pixels, patches of {patch},"
        f" {config.get('image_seq_length')} tokens",
        sees_images=bool(config.get("sees_images", True)),
        dtypes=dict(dtypes),
        parameters=dict(parameters),
    )


def read_header(file: Path) -> dict[str, dict[str, Any]]:
    """Name -> {dtype, shape, ...} of a safetensors file: eight bytes of length, then that much JSON."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > _HEADER_LIMIT:
                raise ValueError("the header is too long")
            header: dict[str, dict[str, Any]] = json.loads(stream.read(length))
    except ValueError as error:
        raise CheckpointError(f"{file}: is not a safetensors file ({error})") from None
    header.pop("__metadata__", None)
    return header


def _part(name: str) -> str:
    return next((part for prefix, part in PARTS.items() if name.startswith(prefix)), "other")
