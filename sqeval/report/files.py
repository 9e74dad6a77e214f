"""Report files, replaced atomically."""

from __future__ import annotations

from pathlib import Path

from sqeval import atomic


def write_text(path: Path, content: str) -> None:
    """Replace `path` by UTF-8 text; its folder is made if need be. Raises UserError if that cannot be done."""
    write_bytes(path, content.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """As `write_text`."""
    with atomic.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, content)
