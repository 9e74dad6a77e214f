"""Images small enough for a page: each once, in the page as long as they fit, else in files beside it."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from sqeval import atomic
from sqeval.data.images import ImageRef
from sqeval.progress import Progress

SIZE, QUALITY = 320, 75
"""Longest side in pixels; WebP's quality."""
SMALL, FINE = 128, 95
"""Images of at most so many pixels a side are shown larger than they are, and deserve this quality."""

_OURS = re.compile(r"[0-9a-f]{24}\.webp")


@dataclass
class Thumbnails:
    """Addresses of thumbnails for `src`, in the order of the images asked for; None where there is none."""

    addresses: list[str | None]
    files: set[str] = field(default_factory=set)
    """Names of those that did not fit into the page."""
    embedded: int = 0
    """Characters of data addresses in the page."""

    @property
    def missing(self) -> int:
        """Images that could not be opened."""
        return self.addresses.count(None)


def make(images: Sequence[ImageRef | None], limit: int, folder: Path, progress: Progress) -> Thumbnails:
    """Thumbnails of `images`, the first ones as ``data:`` addresses of at most `limit` characters together.

    The rest are written to `folder`, which is beside the page. Images are decoded on all cores; one that is missing or
    broken has no address. Raises OSError if the folder cannot be written.
    """
    made = Thumbnails([])
    with progress.tasks({"thumbnails": (len(images), 0)}) as bars:
        for content in _encoded(images):
            bars["thumbnails"].advance(failed=content is None)
            made.addresses.append(None if content is None else _placed(content, made, limit, folder))
    return made


def remove_stale(made: Thumbnails, folder: Path) -> None:
    """Remove thumbnails of an earlier report from `folder`, and nothing else that may lie there. Raises OSError."""
    if folder.is_dir():
        for path in folder.iterdir():
            if _OURS.fullmatch(path.name) and path.name not in made.files:
                path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()


def thumbnail(image: ImageRef) -> bytes | None:
    """WebP of at most `SIZE` pixels a side; None if the image is missing or broken."""
    try:
        picture = image.open()
    except (OSError, ValueError):
        return None
    picture.thumbnail((SIZE, SIZE))
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=FINE if max(picture.size) <= SMALL else QUALITY)
    return stream.getvalue()


def _encoded(images: Sequence[ImageRef | None]) -> Iterator[bytes | None]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda image: None if image is None else thumbnail(image), images)


def _placed(content: bytes, made: Thumbnails, limit: int, folder: Path) -> str:
    address = f"data:image/webp;base64,{base64.b64encode(content).decode()}"
    if made.embedded + len(address) <= limit:
        made.embedded += len(address)
        return address
    name = f"{hashlib.sha256(content).hexdigest()[:24]}.webp"
    made.files.add(name)
    if not (folder / name).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(folder / name, content)
    return f"{quote(folder.name)}/{name}"
