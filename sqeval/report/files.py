"""Report files, replaced atomically."""

from __future__ import annotations

from pathlib import Path

from sqeval import atomic
from sqeval.errors import UserError


def write_text(path: Path, content: str) -> None:
    """Replace `path`; its folder is made if need be. Raises UserError if that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error
