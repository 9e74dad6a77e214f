"""Mirrors of benchmarks on the Hugging Face hub: which columns they have, and the official files that these make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqeval.data.entry import Entry
from sqeval.data.layout import dump, dump_lines, dump_tsv

MAPPINGS = "1"
"""Raised whenever a mapping writes other files: what was made before is then made anew."""


@dataclass(frozen=True, slots=True)
class Part:
    """One table of a mirror."""

    split: str
    columns: tuple[str, ...]
    """Those that are needed; images are in columns of images."""
    config: str | None = None


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy of one split of a benchmark in columns."""

    dataset: str
    """Name on the hub, without the organisation."""
    parts: tuple[Part, ...]
    build: Callable[..., None]
    """``build(out, *tables)`` writes the official files into `out`, a `Files`; a table yields the rows of a part."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole dataset of the hub that is read as it is."""

    dataset: str
    """Organisation and name."""


class Files:
    """The official files of a data root that is being made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._there: set[str] = set()

    def image(self, name: str, row: Entry, column: str = "image") -> None:
        """Write the image of a row, its bytes as they are, unless there is one of this name. Raises DataError."""
        if name in self._there:
            return
        if name.startswith("/") or ".." in name.split("/"):
            raise row.error(f"image name {name!r} leaves the data root", column)
        self._put(name, picture(row, column))

    def json(self, name: str, value: Any) -> None:
        """Write a JSON file."""
        self._put(name, dump(value))

    def lines(self, name: str, rows: Sequence[Any]) -> None:
        """Write JSON Lines."""
        self._put(name, dump_lines(rows))

    def tsv(self, name: str, rows: Sequence[dict[str, str]]) -> None:
        """Write a tab-separated file; rows have the same columns."""
        self._put(name, dump_tsv(rows))

    def _put(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self._there.add(name)


def picture(row: Entry, column: str = "image") -> bytes:
    """The encoded image of a row. Raises DataError."""
    cell = row.value.get(column)
    content = cell.get("bytes") if isinstance(cell, dict) else None
    if not isinstance(content, bytes) or not content:
        raise row.error("expected an image", column)
    return content


Table = Iterable[Entry]
