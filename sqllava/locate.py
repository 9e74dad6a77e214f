"""From what the user typed to a folder, and what kind of checkpoint lies in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqllava import adapters
from sqllava.conversion.layout import Kind, Layout, has_model, recognise
from sqllava.errors import CheckpointError, ForeignModelError
from sqllava.hub import fetch, is_hub_name

PRETRAINED = Path(__file__).parent / "pretrained"
"""Checkpoints that come with the package, each loaded by its folder's name."""

MODEL_TYPE = "sqllava"


def packaged() -> list[str]:
    """Names of the checkpoints that come with the package."""
    return sorted(folder.name for folder in PRETRAINED.glob("*") if (folder / "config.json").is_file())


def accepted() -> str:
    """What a checkpoint may be, for messages."""
    names = ", ".join(packaged()) or "none in this installation"
    return (
        f"a folder written by save_pretrained (config.json of model type {MODEL_TYPE!r} and safetensors), "
        f"a LoRA adapter folder over one, a packaged name ({names}), or a hub id (org/name)"
    )


def find_folder(name: str | Path) -> Path:
    """The folder of a packaged name, a path, or a hub id (downloaded if need be), whatever lies in it.

    A local folder that has a packaged name is reached as ``./mini``; a folder is preferred to a hub id of the same
    spelling. Raises CheckpointError.
    """
    if str(name) in packaged():
        return PRETRAINED / name
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise CheckpointError(f"checkpoint {folder}: is a file; give {accepted()}")
    if isinstance(name, str) and is_hub_name(name):
        return fetch(name)
    raise CheckpointError(f"checkpoint {str(name)!r}: no such folder; give {accepted()}")


def locate(checkpoint: str | Path) -> Layout:
    """The folder of a checkpoint and what lies in it. Raises CheckpointError for anything that is no checkpoint."""
    folder = find_folder(checkpoint)
    layout = recognise(folder)
    if layout is None:
        if (folder / adapters.CONFIG).is_file():
            raise CheckpointError(f"checkpoint {folder}: its adapter is not one over SQ-LLaVA; give {accepted()}")
        found = read_config(folder).get("model_type")
        raise ForeignModelError(f"checkpoint {folder}: config.json has model type {found!r}; give {accepted()}")
    if layout.kind == Kind.adapter and has_model(folder):
        raise CheckpointError(
            f"checkpoint {folder}: holds a whole model and an adapter; move {adapters.CONFIG} and "
            f"{adapters.WEIGHTS} into a folder of their own"
        )
    return layout


def read_config(folder: Path) -> dict[str, Any]:
    """The parsed ``config.json`` of `folder`. Raises CheckpointError."""
    file = folder / "config.json"
    if not file.is_file():
        raise CheckpointError(f"checkpoint {folder}: has no config.json; give {accepted()}")
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{file}: is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{file}: is not a JSON object")
    return value


def weight_files(folder: Path) -> list[Path]:
    """The checkpoint's safetensors files. Raises CheckpointError if there are none."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickles = ", ".join(sorted(file.name for file in folder.glob("*.bin")))
        why = f"; {pickles} cannot be used: weights are read from safetensors only" if pickles else ""
        raise CheckpointError(f"checkpoint {folder}: has no *.safetensors{why}")
    return files


def base_of(folder: Path) -> str | Path:
    """What an adapter of ours says lies underneath it: a packaged name, a folder, or a hub id.

    Raises CheckpointError if it says nothing that leads anywhere.
    """
    name = adapters.read_adapter_json(folder).get("base_model_name_or_path")
    hint = "name the checkpoint it was trained on (--base, or base= of sqllava.load)"
    if not isinstance(name, str) or not name:
        raise CheckpointError(f"adapter {folder}: {adapters.CONFIG} names no base; {hint}")
    if name in packaged():
        return name
    if (folder / name).is_dir():
        return folder / name
    if is_hub_name(name):
        return name
    raise CheckpointError(f"adapter {folder}: its base {name!r} is neither a folder beside it nor a hub id; {hint}")
