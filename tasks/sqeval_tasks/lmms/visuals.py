"""Which questions are about one image: what a task shows for each row, opened once however many rows show it.

Tasks decide by a function of the whole row what is shown. A row's image is that of an earlier row if the function would
read the same values: which values it reads is watched, so that a task that cuts a region out of the image, or shows
another image for some questions, is seen through.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqeval import atomic
from sqeval.data.images import ImageRef
from sqeval.data.mini.cache import cache_home
from sqeval.errors import DataError
from sqeval_tasks.lmms.definition import Doc

Show = Callable[[Doc], list[Any]]
Reads = tuple[str, ...]


class Watched(dict[str, Any]):
    """A row that remembers which of its fields were read."""

    def __init__(self, row: Doc) -> None:
        super().__init__(row)
        self.read: dict[str, None] = {}

    def __getitem__(self, name: str) -> Any:
        self.read[name] = None
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.read[str(name)] = None
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401  # that is this method

    def _all(self) -> None:
        self.read |= dict.fromkeys(super().keys())

    def __iter__(self) -> Iterator[str]:
        self._all()
        return super().__iter__()

    def keys(self) -> Any:
        self._all()
        return super().keys()

    def values(self) -> Any:
        self._all()
        return super().values()

    def items(self) -> Any:
        self._all()
        return super().items()

    def copy(self) -> Any:
        self._all()
        return super().copy()


class Visuals:
    """Images by what they were made of."""

    def __init__(self, show: Show, decoded: Callable[[Doc], Doc], media: frozenset[str]) -> None:
        self._show, self._decoded, self._media = show, decoded, media
        self._known: dict[Reads, dict[tuple[str, ...], tuple[ImageRef, ...]]] = {}

    def of(self, row: Doc) -> tuple[ImageRef, ...]:
        """The images that are shown with a row. Raises TypeError for anything else that is shown."""
        digests = {name: _digest(value) for name, value in row.items() if name in self._media}
        for reads, images in self._known.items():
            found = images.get(_values(row, reads, digests))
            if found is not None:
                return found
        try:
            watched = Watched(self._decoded(row))
        except DataError:  # whoever opens it is told again: this question fails, not all
            return tuple(_kept(one, ".broken") for name in digests for one in _encoded(row[name]))
        shown = self._show(watched)
        reads = tuple(watched.read)
        stored = [one for name in reads if name in self._media for one in _encoded(row.get(name))]
        made = tuple(_unpacked(image, stored[0] if len(stored) == len(shown) == 1 else None) for image in shown)
        return self._known.setdefault(reads, {}).setdefault(_values(row, reads, digests), made)


def _values(row: Doc, reads: Reads, digests: dict[str, str]) -> tuple[str, ...]:
    return tuple(digests[name] if name in digests else _digest(row.get(name)) for name in reads)


def _digest(value: Any) -> str:
    """Of a stored value, bytes and all."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, dict) and value.keys() == {"bytes", "path"}:  # an image: where it once was says nothing
        return _digest(value["path"] if value["bytes"] is None else value["bytes"])
    if isinstance(value, dict):
        return json.dumps({name: _digest(inner) for name, inner in value.items()})
    if isinstance(value, list):
        return json.dumps([_digest(inner) for inner in value])
    return repr(value)


def _encoded(value: Any) -> Iterator[bytes]:
    """Images in a stored value."""
    if isinstance(value, dict) and value.keys() == {"bytes", "path"}:
        yield value["bytes"] if value["bytes"] is not None else Path(value["path"]).read_bytes()
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _encoded(inner)


def _unpacked(image: Any, stored: bytes | None) -> ImageRef:
    """A file in the cache with what is shown: the encoded image itself, if it has just these pixels, else a PNG."""
    from PIL import Image

    if not isinstance(image, Image.Image):
        raise TypeError(f"it shows a {type(image).__name__}")
    shown = image.convert("RGB")
    content, suffix = stored or b"", ""
    if stored is not None:
        with Image.open(io.BytesIO(stored)) as opened:
            suffix = f".{(opened.format or 'bin').lower()}"
            same = opened.size == shown.size and opened.convert("RGB").tobytes() == shown.tobytes()
    if stored is None or not same:
        stream = io.BytesIO()
        shown.save(stream, "PNG")
        content, suffix = stream.getvalue(), ".png"
    return _kept(content, suffix)


def _kept(content: bytes, suffix: str) -> ImageRef:
    name = hashlib.sha256(content).hexdigest()[:32] + suffix
    path = cache_home() / "lmms" / name[:2] / name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, content)
    return ImageRef(f"lmms/{name}", path)
