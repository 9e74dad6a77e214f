"""A data root: a folder of official benchmark files, read the same way whether real or generated."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqeval.data.images import ImageRef
from sqeval.errors import UserError

if TYPE_CHECKING:
    from sqeval.task import WantedFile


@dataclass(frozen=True)
class DataRoot:
    """Official files under `path`. Every file handed out is remembered: `used` feeds the data hash."""

    path: Path
    name: str
    """What the user typed: ``mini``, a folder, or a place on the hub."""
    used: set[Path] = field(default_factory=set, compare=False)
    places: Mapping[str, Path] = field(default_factory=dict, compare=False)
    """Image folders that lie elsewhere, by their path under the root; see `sqeval.data.places`."""
    splits: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The split to read, by task; other tasks read the first that is there."""
    split: str | None = None
    """The same, of the one task whose root this is."""
    copies: Mapping[str, Path] = field(default_factory=dict, compare=False)
    """Folders of tasks that do not share `path`: each hub mirror has its own."""

    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False)
    """Of those folders, what they were made of: dataset, revision, tables."""

    def for_task(self, name: str) -> DataRoot:
        """The root as the task of this name sees it; remembers the files of this task alone."""
        return replace(self, path=self.copies.get(name, self.path), used=set(), split=self.splits.get(name))

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

    def has(self, wanted: WantedFile) -> bool:
        """Whether such a file is there, an image where its folder lies."""
        if wanted.folder is None:
            return any(self.path.glob(wanted.path))
        return any(Path(self.folder(wanted.folder)).glob(wanted.path[len(wanted.folder) + 1 :]))

    def place(self, wanted: WantedFile) -> str:
        """Path of a wanted file for messages: under the root, or where its images lie instead."""
        if wanted.folder is None or self.folder(wanted.folder) == os.path.join(
            os.path.realpath(self.path), wanted.folder
        ):
            return wanted.path
        return os.path.join(self.folder(wanted.folder), wanted.path[len(wanted.folder) + 1 :])

    def image(self, relative: str) -> ImageRef:
        """Reference to an image under the root; it need not exist until it is opened.

        A name that exists only with another usual suffix (.png for .jpg) is found. Its key is its path under the root
        wherever its folder lies. Raises UserError for a name that leaves the root or is none.
        """
        folder, _, name = relative.rpartition("/")
        if folder not in self._known or name in ("", ".", ".."):
            folder, name = self._place_of(relative)
        base, there = self._known[folder]
        if there and name not in there:
            stem = posixpath.splitext(name)[0]
            name = next((o for suffix in (".png", ".jpg", ".jpeg") if (o := stem + suffix) in there), name)
        return ImageRef(key=f"{folder}/{name}" if folder else name, path=base / name)

    def _place_of(self, relative: str) -> tuple[str, str]:
        """Folder, which is known from then on, and name of an image. Raises UserError."""
        if os.path.isabs(relative) or ".." in relative.split("/"):
            raise UserError(f"image name {relative!r} leaves the data root {self.path}")
        if relative.rpartition("/")[2] in ("", "."):
            raise UserError(f"image name {relative!r} is that of a folder")
        folder, name = posixpath.split(posixpath.normpath(relative))
        if folder not in self._known:
            base = Path(self.folder(folder))
            self._known[folder] = base, _listed(base)
        return folder, name

    @cached_property
    def _known(self) -> dict[str, tuple[Path, frozenset[str]]]:
        """Where each folder is, without links, and the names in it: one look a folder instead of one an image."""
        return {}

    def folder(self, folder: str) -> str:
        """Where the root's `folder` is: in the place of the nearest folder above it that has one."""
        rest: list[str] = []
        above = folder
        while above and above not in self.places:
            above, _, last = above.rpartition("/")
            rest.insert(0, last)
        return os.path.join(os.path.realpath(self.places.get(above, self.path)), *rest)

    def hash(self, files: Iterable[Path] | None = None) -> str:
        """SHA-256 over names and contents of `files` (default: those handed out so far)."""
        digest = hashlib.sha256()
        for path in sorted(self.used if files is None else files):
            digest.update(path.relative_to(self.path).as_posix().encode() + b"\0")
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()


def _listed(folder: Path) -> frozenset[str]:
    """Names in a folder; none if there is no such folder."""
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()


def resolve_root(name: str) -> DataRoot:
    """``mini`` or a folder, whose image folders lie where its ``paths.yaml`` says. The mini suite is generated into the
    cache folder when it is not there yet."""
    if name == "mini":
        from sqeval.data.mini import ensure_mini

        return DataRoot(ensure_mini(), "mini")
    from sqeval.data.places import read_places

    path = Path(name).expanduser()
    if not path.is_dir():
        raise UserError(f"--data {name}: no such folder (give a folder of official files, `mini` or `hub`)")
    return DataRoot(path, name, places=read_places(path))
