"""What a checkpoint in somebody else's layout is, as far as its configurations and safetensors headers tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from sqllava import trained
from sqllava.conversion.layout import VISION_ADAPTER, Layout
from sqllava.conversion.names import model_name
from sqllava.headers import Header, read_header
from sqllava.info import UNKNOWN, Info, Part, dtypes, sizes


def inspect_release(layout: Layout) -> Info:
    """Facts of a layout that is converted before it is loaded; ``.bin`` files are listed and not opened.

    Raises CheckpointError for configurations and headers that cannot be read.
    """
    folder, config = layout.folder, layout.config
    places = [folder, folder / VISION_ADAPTER]
    files = sorted(file for place in places for kind in ("safetensors", "bin") for file in place.glob(f"*.{kind}"))
    files = [file for file in files if file.name != "training_args.bin"]
    headers = {file: read_header(file) for file in files if file.suffix == ".safetensors"}
    projector = str(config.get("mm_projector_type") or config.get("projector_type") or "mlp2x_gelu")
    base = layout.base_name or ("not named" if layout.needs_base else None)
    return Info(
        folder=folder,
        kind=layout.kind,
        description=layout.description,
        projector=projector,
        template=UNKNOWN,
        image=f"{config['image_aspect_ratio']}, size {UNKNOWN}" if "image_aspect_ratio" in config else UNKNOWN,
        sees_images=True,
        parts=_parts(layout, projector, files, headers),
        dtypes=dtypes(headers.values()),
        files=sizes(files, folder),
        base=base,
        provenance={"vision_tower": layout.vision_tower_name} if layout.vision_tower_name else {},
    )


def _parts(
    layout: Layout, projector: str, files: list[Path], headers: Mapping[Path, Mapping[str, Header]]
) -> dict[str, Part]:
    """Parts with their counts where every file that may hold some of them has a header that can be read."""
    counts: Counter[str] = Counter()
    extra: Counter[str] = Counter()
    for file, header in headers.items():
        for name, tensor in header.items():
            part = _part(file, name)
            (extra if ".lora_" in name else counts)[part] += tensor.parameters
    readable = len(headers) == len(files)
    names = [name for name in trained.ORDER if name != trained.EXTRACTOR or projector == "cluster"]
    how = _trained(layout)
    return {
        name: Part((counts[name] or None) if readable else None, extra[name], how.get(name))
        for name in [*names, *(["other"] if counts["other"] else [])]
    }


def _part(file: Path, name: str) -> str:
    if file.parent.name == VISION_ADAPTER:
        return "vision tower"
    return trained.part_of(model_name(name.replace(".lora_A", "").replace(".lora_B", "")) or name)


def _trained(layout: Layout) -> dict[str, str]:
    """What the adapters and the extra files mean; whole weights do not say."""
    if layout.kind not in trained.TRAINED_PROJECTOR:
        return {}
    how = {trained.EXTRACTOR: trained.IN_FULL, trained.LAYERS: trained.IN_FULL}
    for part, folder in (("language model", layout.folder), ("vision tower", layout.folder / VISION_ADAPTER)):
        settings = trained.read_json(folder / "adapter_config.json")
        if settings is not None and {"r", "lora_alpha"} <= settings.keys():
            how[part] = trained.by_settings(settings)
    return how
