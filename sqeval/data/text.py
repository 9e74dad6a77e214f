"""Text of data files, and of messages about them."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from pathlib import Path
from typing import Any

from sqeval.errors import DataError

BOM = b"\xef\xbb\xbf"
"""A byte order mark, which Windows programs put before UTF-8."""
GZIP = b"\x1f\x8b"
"""How gzipped files begin."""
_HEAD = 4096
_SHOWN = 60
_PIECE = 1 << 20
UNPACKED = 4 << 30
"""Bytes that a packed file may become; a bomb of a few megabytes would fill the memory."""


def read_bytes(path: Path) -> bytes:
    """The file's content, unpacked if it is gzipped. Raises DataError."""
    try:
        data = path.read_bytes()
        return _unpacked(data, path) if data.startswith(GZIP) else data
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"begins as a gzipped file and cannot be unpacked: {error}", file=path) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from None


def _unpacked(data: bytes, path: Path) -> bytes:
    pieces, size = [], 0
    with gzip.open(io.BytesIO(data)) as stream:
        while piece := stream.read(_PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > UNPACKED:
                hint = "unpack it yourself if it is what it seems"
                raise DataError(f"unpacks to more than {UNPACKED >> 30} GiB; {hint}", file=path)
    return b"".join(pieces)


def head(path: Path) -> bytes:
    """The first bytes of what `read_bytes` gives. Raises DataError."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_HEAD)
        if not start.startswith(GZIP):
            return start
        with gzip.open(path) as unpacked:
            return unpacked.read(_HEAD)
    except (OSError, EOFError, zlib.error):
        return read_bytes(path)[:_HEAD]  # which says what is wrong


def read_text(path: Path) -> str:
    """The file as UTF-8 text, unpacked if it is gzipped; a byte order mark is dropped. Raises DataError."""
    return decoded(read_bytes(path).removeprefix(BOM), path)


def decoded(data: bytes, path: Path, line: int = 1) -> str:
    """Text of UTF-8 bytes that begin on a `line` of the file. Raises DataError."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        raise DataError(f"expected UTF-8 text, found byte 0x{data[error.start]:02x}", file=path, line=line) from None


def show(value: Any) -> str:
    """A value in an error message: JSON, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    text = text.encode("utf-8", "backslashreplace").decode()
    return shortened(text)


def shortened(text: str) -> str:
    """The text, or its beginning, for a message."""
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def is_file(path: Path) -> bool:
    """Whether there is a file at a path that data name; no file has a name that is too long or holds a NUL."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_text(value: str) -> bool:
    """False for text with half a surrogate pair, which no file of ours could hold."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
