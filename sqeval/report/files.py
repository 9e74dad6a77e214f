"""Report files, replaced atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqeval import atomic
from sqeval.errors import UserError


def write_text(path: Path, content: str) -> None:
    """Replace `path`; its folder is made if need be. Raises UserError if that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error


def write_json(path: Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Replace `path` by JSON without NaN. Raises UserError if that cannot be done."""
    write_text(path, to_json(value))


def to_json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """JSON for people and programs; NaN, which JSON lacks, raises ValueError."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
