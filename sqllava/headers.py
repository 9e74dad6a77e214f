"""What safetensors files hold, read from their headers; no tensor is loaded."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from sqllava.errors import CheckpointError

_LIMIT = 100_000_000
"""Bytes; safetensors refuses longer headers."""


@dataclass(frozen=True, slots=True)
class Header:
    """One tensor on disk."""

    dtype: str
    """As safetensors writes it: F32, BF16, ..."""
    shape: tuple[int, ...]

    @property
    def parameters(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def read_header(file: Path) -> dict[str, Header]:
    """Name -> dtype and shape of every tensor in `file`: eight bytes of length, then that much JSON.

    Raises CheckpointError for anything else.
    """
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > _LIMIT:
                raise ValueError("the header is too long")
            entries = json.loads(stream.read(length))
        entries.pop("__metadata__", None)
        return {name: Header(entry["dtype"], tuple(entry["shape"])) for name, entry in entries.items()}
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read: {error.strerror or error}") from None
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{file}: is not a safetensors file ({error})") from None
