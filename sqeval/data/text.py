"""Text of data files, and of messages about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqeval.errors import DataError


def read_text(path: Path) -> str:
    """The file as UTF-8 text; a byte order mark is dropped. Raises DataError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"expected UTF-8 text, found byte 0x{data[error.start]:02x}", file=path, line=line) from None


def show(value: Any) -> str:
    """A value in an error message: JSON, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "..."


def is_text(value: str) -> bool:
    """False for text with half a surrogate pair, which no file of ours could hold."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
