"""Folders with pretrained parts: found, read by transformers, and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqllava.checkpoints import quiet_transformers
from sqllava.errors import CheckpointError
from sqllava.hub import fetch, is_hub_name


def part_folder(key: str, name: str) -> Path:
    """The folder of the recipe's `model.<key>`, a path or a hub id. Raises CheckpointError."""
    if Path(name).is_dir():
        return Path(name)
    if is_hub_name(name):
        return fetch(name)
    raise CheckpointError(f"model.{key}: {name}: no such folder; give a folder or a hub id")


def read_part(key: str, folder: Path, kind: Any, **kwargs: Any) -> Any:
    """`kind.from_pretrained(folder)`, its many errors as CheckpointError."""
    try:
        with quiet_transformers():
            return kind.from_pretrained(folder, local_files_only=True, **kwargs)
    except Exception as error:  # transformers, tokenizers and safetensors each raise their own kinds
        message = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        raise CheckpointError(f"model.{key}: {folder} cannot be loaded: {message}") from error


def check_complete(key: str, folder: Path, notes: dict[str, Any]) -> None:
    """Raise CheckpointError for weights that do not fit the configuration: transformers would draw or drop some."""
    for fault in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if notes[fault]:
            names = ", ".join(sorted(map(str, notes[fault]))[:5])
            raise CheckpointError(f"model.{key}: {folder}: {fault.replace('_keys', '')} weights: {names}")
