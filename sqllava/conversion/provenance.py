"""``provenance.json``: what a converted checkpoint was made of."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sqllava.conversion.plan import Plan, Source

PROVENANCE = "provenance.json"

_PACKAGES = ("sqeval", "torch", "transformers", "tokenizers", "safetensors", "peft")
_SETTINGS = ("r", "lora_alpha", "lora_dropout", "rank_pattern", "alpha_pattern", "use_rslora", "target_modules")
_TEXT = ("config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json")


def provenance(plan: Plan, *, dtype: str, merged: bool, hashed: Callable[[int], None]) -> dict[str, Any]:
    """Sources by name and SHA-256, adapters, settings and versions; no paths of this machine.

    `hashed` is told how many bytes were read since it was last called.
    """
    return {
        "made_by": "sqllava convert",
        "layout": plan.layout.kind.value,
        "sources": {
            source.role: {
                "name": folder_name(source.folder),
                "sha256": {
                    file.relative_to(source.folder).as_posix(): _sha256(file, hashed) for file in _files(plan, source)
                },
            }
            for source in plan.sources
        },
        "trained_on": {"base": _named(plan.layout.base_name), "vision_tower": _named(plan.layout.vision_tower_name)},
        "adapters": {
            part: {
                "merged": merged,
                "layers": len(adapter.pairs),
                "tensors_not_used": len(adapter.left),
                **{name: adapter.settings[name] for name in _SETTINGS if name in adapter.settings},
            }
            for part, adapter in plan.adapters.items()
        },
        "dtype": dtype,
        "versions": {"python": platform.python_version(), **dict(_versions())},
    }


def bytes_to_hash(plan: Plan) -> int:
    """How many bytes `provenance` reads."""
    return sum(file.stat().st_size for source in plan.sources for file in _files(plan, source))


def folder_name(folder: Path) -> str:
    """What a folder is called, not where it is: ``org/name@commit`` for one in the hub's cache."""
    folder = folder.absolute()
    if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
        return folder.parent.parent.name.removeprefix("models--").replace("--", "/") + f"@{folder.name}"
    return folder.name


def _named(name: str | None) -> str | None:
    """A hub id as it is; of a path on the machine that trained, the folder's name."""
    return Path(name).name if name and Path(name).is_absolute() else name


def _files(plan: Plan, source: Source) -> list[Path]:
    """What was read of a source: weights, adapters, configuration and tokenizer."""
    of_checkpoint = plan.adapters.values() if source.folder == plan.layout.folder else ()
    adapters = [file for adapter in of_checkpoint for file in adapter.files]
    text = [file for name in _TEXT if (file := source.folder / name).is_file()]
    return sorted({*source.files, *adapters, *text})


def _sha256(file: Path, hashed: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(2**23):
            digest.update(block)
            hashed(len(block))
    return digest.hexdigest()


def _versions() -> Iterable[tuple[str, str]]:
    for package in _PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:  # run from a source tree
            continue
