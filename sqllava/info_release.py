"""What a checkpoint in somebody else's layout is, as far as its configurations and the headers of its weights tell."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from sqllava import trained
from sqllava.conversion.layout import VISION_ADAPTER, Layout
from sqllava.conversion.names import model_name
from sqllava.headers import Header, read_header
from sqllava.info import UNKNOWN, Info, Part, dtypes, sizes

TEMPLATE = "v1"
"""What every release is asked with."""


def inspect_release(layout: Layout) -> Info:
    """Facts of a layout that is converted before it is loaded.

    Raises CheckpointError for configurations and headers that cannot be read, and for pickled code.
    """
    folder, config = layout.folder, layout.config
    places = [folder, folder / VISION_ADAPTER]
    files = sorted(file for place in places for kind in ("safetensors", "bin") for file in place.glob(f"*.{kind}"))
    files = [file for file in files if file.name != "training_args.bin"]
    headers = {file: header for file in files if (header := _header(file)) is not None}
    projector = str(config.get("mm_projector_type") or config.get("projector_type") or "mlp2x_gelu")
    base = layout.base_name or ("not named" if layout.needs_base else None)
    return Info(
        folder=folder,
        kind=layout.kind,
        description=layout.description,
        projector=projector,
        template=TEMPLATE,
        image=f"{config['image_aspect_ratio']}, size {UNKNOWN}" if "image_aspect_ratio" in config else UNKNOWN,
        sees_images=True,
        parts=_parts(layout, projector, files, headers),
        dtypes=dtypes(headers.values()),
        files=sizes(files, folder),
        base=base,
        provenance={"vision_tower": layout.vision_tower_name} if layout.vision_tower_name else {},
    )


def _header(file: Path) -> dict[str, Header] | None:
    """Of a weights file; None for a ``.bin`` of torch's old format, which can only be read whole.

    Others are mapped, so that no tensor is read, and by weights-only loading, so that no code runs.
    """
    if file.suffix == ".safetensors":
        return read_header(file)
    if not zipfile.is_zipfile(file):
        return None
    from sqllava.conversion.weights import DTYPES, scan  # torch: slow to import, and rarely needed here

    codes = {dtype: code for code, dtype in DTYPES.items()}
    return {name: Header(codes.get(one.dtype, "I64"), one.shape) for name, one in scan([file]).items()}


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
