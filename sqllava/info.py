"""What a checkpoint is, read from its configurations and the headers of its weights; no tensor is loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqllava import adapters, trained
from sqllava.checkpoints import underneath
from sqllava.conversion.layout import Kind, Layout
from sqllava.errors import CheckpointError
from sqllava.headers import Header, read_header
from sqllava.locate import locate, weight_files

UNKNOWN = "unknown until converted"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the model."""

    parameters: int | None
    """None: not known without opening files that only a conversion opens."""
    adapter: int = 0
    """Parameters of the adapter beside them."""
    trained: str | None = None
    """``in full`` or the settings of its LoRA; None: not at all, or the files do not say."""


@dataclass(frozen=True, slots=True)
class Info:
    """What `sqllava info` shows."""

    folder: Path
    kind: str
    """One of `sqllava.conversion.layout.Kind`."""
    description: str
    """The kind, for people."""
    projector: str
    template: str
    image: str
    """How images become the square that the vision tower takes."""
    sees_images: bool
    parts: dict[str, Part]
    dtypes: dict[str, int]
    """Number of tensors in this folder's safetensors files by stored dtype."""
    files: dict[str, int]
    """Files of weights in this folder and their bytes."""
    base: str | None = None
    """What an adapter stands on, or a release was trained on."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """`recipe` and `seed` of a training; `converted_from`, the record of a conversion; `vision_tower` of a release."""

    @property
    def parameters(self) -> int | None:
        """In all, adapters apart; None if a part's number is not known."""
        counts = [part.parameters for part in self.parts.values()]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def bytes(self) -> int:
        """Size of this folder's weights on disk."""
        return sum(self.files.values())

    def to_json(self) -> dict[str, Any]:
        """For machines: every fact, and the sums."""
        return {**asdict(self), "folder": str(self.folder), "parameters": self.parameters, "bytes": self.bytes}


def inspect(checkpoint: str | Path) -> Info:
    """Read a checkpoint's facts, whatever its layout.

    Raises CheckpointError for what is no checkpoint, and for files that cannot be read.
    """
    layout = locate(checkpoint)
    if layout.to_convert:
        from sqllava.info_release import inspect_release

        return inspect_release(layout)
    return _adapter(layout) if layout.kind == Kind.adapter else _whole(layout)


def sizes(files: Iterable[Path], folder: Path) -> dict[str, int]:
    """Bytes by path inside `folder`."""
    return {file.relative_to(folder).as_posix(): file.stat().st_size for file in files}


def dtypes(headers: Iterable[Mapping[str, Header]]) -> dict[str, int]:
    """Number of tensors by stored dtype."""
    return dict(Counter(tensor.dtype for header in headers for tensor in header.values()))


def provenance(folder: Path) -> dict[str, Any]:
    """What the recipe and the record of a conversion beside the weights say. Raises CheckpointError."""
    recipe = trained.read_json(folder / "recipe.json") or {}
    told: dict[str, Any] = {key: recipe[name] for key, name in (("recipe", "name"), ("seed", "seed")) if name in recipe}
    record = trained.read_json(folder / "provenance.json")
    return told if record is None else {**told, "converted_from": record}


def _recorded(folder: Path) -> dict[str, str]:
    """Part -> how it was trained, as the records beside the weights have it."""
    conversion, recipe = (trained.read_json(folder / name) or {} for name in ("provenance.json", "recipe.json"))
    return trained.by_conversion(conversion) | trained.by_recipe(recipe)


def _whole(layout: Layout) -> Info:
    folder, config = layout.folder, layout.config
    files = weight_files(folder)
    headers = [read_header(file) for file in files]
    counts: Counter[str] = Counter()
    for header in headers:
        for name, tensor in header.items():
            counts[trained.part_of(name)] += tensor.parameters
    how = _recorded(folder)
    return Info(
        folder=folder,
        kind=layout.kind,
        description=layout.description,
        **_facts(config),
        parts={part: Part(counts[part], trained=how.get(part)) for part in [*trained.ORDER, "other"] if counts[part]},
        dtypes=dtypes(headers),
        files=sizes(files, folder),
        provenance=provenance(folder),
    )


def _adapter(layout: Layout) -> Info:
    folder = layout.folder
    weights = folder / adapters.WEIGHTS
    if not weights.is_file():
        raise CheckpointError(f"adapter {folder}: has no {adapters.WEIGHTS}")
    header, settings = read_header(weights), adapters.read_adapter_json(folder)
    how = _recorded(folder) | trained.by_adapter(settings, header)
    extra: Counter[str] = Counter()
    for key, tensor in header.items():
        if ".lora_" in key:
            extra[trained.part_of(key.removeprefix(adapters.PREFIX))] += tensor.parameters
    under = underneath(layout)
    assert under is not None  # of an adapter
    base = inspect(under.folder)
    return Info(
        folder=folder,
        kind=layout.kind,
        description=layout.description,
        projector=base.projector,
        template=base.template,
        image=base.image,
        sees_images=base.sees_images,
        parts={name: Part(part.parameters, extra[name], how.get(name)) for name, part in base.parts.items()},
        dtypes=dtypes([header]),
        files=sizes([weights], folder),
        base=str(settings["base_model_name_or_path"]),
        provenance=provenance(folder),
    )


def _facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """From the configuration of a whole model; what it leaves out has the value that `SqLlavaConfig` gives it."""
    vision = config.get("vision_config", {})
    side, patch = config.get("image_size") or vision.get("image_size"), vision.get("patch_size")
    clusters = f"cluster: {config.get('num_prototypes', 256)} prototypes, {config.get('num_iterations', 2)} iterations"
    projector = config.get("projector_type", "cluster")
    return {
        "projector": clusters if projector == "cluster" else str(projector),
        "template": str(config.get("conversation_template", "v1")),
        "image": f"{config.get('image_aspect_ratio', 'pad')} to {side} pixels, patches of {patch}, "
        f"{config.get('image_seq_length', 576)} tokens",
        "sees_images": bool(config.get("sees_images", True)),
    }
