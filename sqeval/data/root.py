"""A data root: a folder of official benchmark files, read the same way whether real or generated."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sqeval.data.images import ImageRef
from sqeval.errors import UserError


@dataclass(frozen=True)
class DataRoot:
    """Official files under `path`. Every file handed out is remembered: `used` feeds the data hash."""

    path: Path
    name: str
    """What the user typed: ``mini`` or a folder."""
    used: set[Path] = field(default_factory=set, compare=False)

    def file(self, relative: str) -> Path:
        """Path of a file under the root. Raises UserError if it is missing."""
        path = self.path / relative
        if not path.is_file():
            raise UserError(f"{path} is missing; `sqeval data check {self.name}` lists what each task needs")
        self.used.add(path)
        return path

    def find(self, relative: str) -> Path | None:
        """Like `file` for optional files: None if missing."""
        return self.file(relative) if (self.path / relative).is_file() else None

    def image(self, relative: str) -> ImageRef:
        """Reference to an image under the root; it need not exist until it is opened.

        A name that exists only with another usual suffix (.png for .jpg) is found. Raises UserError for a name that
        leaves the root.
        """
        if os.path.isabs(relative) or ".." in relative.split("/"):
            raise UserError(f"image name {relative!r} leaves the data root {self.path}")
        key = posixpath.normpath(relative)
        if not os.path.exists(os.path.join(self._base, key)):
            stem = posixpath.splitext(key)[0]
            others = (stem + suffix for suffix in (".png", ".jpg", ".jpeg"))
            key = next((other for other in others if os.path.exists(os.path.join(self._base, other))), key)
        return ImageRef(key=key, path=Path(self._base, key))

    @cached_property
    def _base(self) -> str:
        """The root without links; `image` is called once an image, and text is three times faster than paths."""
        return os.path.realpath(self.path)

    def hash(self, files: Iterable[Path] | None = None) -> str:
        """SHA-256 over names and contents of `files` (default: those handed out so far)."""
        digest = hashlib.sha256()
        for path in sorted(self.used if files is None else files):
            digest.update(path.relative_to(self.path).as_posix().encode() + b"\0")
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()


def resolve_root(name: str) -> DataRoot:
    """``mini`` or a folder. The mini suite is generated into the cache folder when it is not there yet."""
    if name == "mini":
        from sqeval.data.mini import ensure_mini

        return DataRoot(ensure_mini(), "mini")
    path = Path(name).expanduser()
    if not path.is_dir():
        raise UserError(f"--data {name}: no such folder (give a folder of official files, or `mini`)")
    return DataRoot(path, name)
