"""Where the parts of a conversion lie on this machine."""

from __future__ import annotations

from pathlib import Path

from sqllava.errors import CheckpointError


def local_folder(name: str | Path) -> Path:
    """The folder `name`, or the local copy of the hub repository ``org/name``.

    Raises CheckpointError if it is neither, or cannot be fetched.
    """
    from sqllava.hub import fetch, is_hub_name

    if Path(name).is_dir():
        return Path(name)
    if Path(name).exists():
        raise CheckpointError(f"{name}: is a file; give the folder that holds it")
    if not is_hub_name(str(name)):
        raise CheckpointError(f"{name}: no such folder")
    return fetch(str(name))


def named_folder(name: object) -> Path | None:
    """The folder that a checkpoint's configuration names, if it is one on this machine; nothing is downloaded."""
    return Path(name) if isinstance(name, str) and name and Path(name).is_dir() else None
