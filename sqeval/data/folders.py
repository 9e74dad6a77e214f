"""Folders that are there whole or not at all, and that never replace what somebody else put there."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqeval.atomic import explained, sync_folder, write_bytes
from sqeval.data.layout import dump
from sqeval.errors import UserError

MANIFEST = "prepared.json"
"""Written into every folder that is made here. It says how, and names the other files: any further one is somebody
else's."""
FILES = "files"


@contextmanager
def made(final: Path) -> Iterator[Path]:
    """A new folder to fill, `MANIFEST` included, which takes the place of `final` when all went well.

    `final` may be missing, empty, or an earlier one in which nothing else was put. Raises UserError for any other, and
    if it cannot be written.
    """
    require_ours(final)
    with _beside(final) as work:
        yield work
        _write_manifest(work, _manifest(work) | {FILES: _files(work)})
        work.chmod(0o755)
        require_ours(final)  # files may have come in the meantime
        _replace(work, final)


@contextmanager
def added(final: Path) -> Iterator[Path]:
    """A new folder to fill, `MANIFEST` included, whose files go among those of `final` when all went well.

    Raises UserError if one of them is there already and was not made here, and if it cannot be written.
    """
    with _beside(final) as work:
        yield work
        names, known = _files(work), _manifest(final)
        theirs = next((name for name in names if (final / name).exists() and name not in known.get(FILES, ())), None)
        if theirs is not None:
            raise _foreign(final, theirs)
        for name in names:
            (final / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(work / name, final / name)
        told = {what: [*known.get(what, ()), *about] for what, about in {**_manifest(work), FILES: names}.items()}
        _write_manifest(final, known | {what: sorted(set(about)) for what, about in told.items()})


@contextmanager
def _beside(final: Path) -> Iterator[Path]:
    """An empty folder beside `final`, which is gone in the end."""
    with explained(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def ensured(final: Path, build: Callable[[Path], None]) -> Path:
    """`final`; if it is not there, `build` fills a folder beside it, which then becomes it.

    Several processes may try at once: the quickest one's is kept, and what is there is never touched. Raises UserError
    if it cannot be written.
    """
    if final.is_dir():
        return final
    with _beside(final) as work:
        build(work)
        work.chmod(0o755)
        try:
            work.rename(final)
        except OSError:
            if not final.is_dir():  # not another process that was quicker
                raise
    return final


def require_ours(final: Path) -> None:
    """Raise UserError if `final` holds something that was not made here."""
    if final.is_dir():
        known = {*_manifest(final).get(FILES, ())}
        foreign = next((name for name in _files(final) if name not in known), None)
    else:
        foreign = final.name if final.exists() else None
    if foreign is not None:
        raise _foreign(final, foreign)


def _foreign(final: Path, name: str) -> UserError:
    return UserError(f"--out {final}: holds {name}, which was not made by this command; give another folder")


def _files(folder: Path) -> list[str]:
    """Paths below `folder` of all files but the manifest."""
    paths = (
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()
    )
    return sorted(path for path in paths if path != MANIFEST)


def _manifest(folder: Path) -> dict[str, Any]:
    """Content of the manifest; empty if there is none, or one that was not made here."""
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get(FILES, []), list) else {}


def _write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    write_bytes(folder / MANIFEST, dump(content))


def _replace(work: Path, final: Path) -> None:
    """The old folder steps aside first: two renames, neither of which leaves half a folder."""
    aside = Path(tempfile.mkdtemp(prefix=f".{final.name}-old-", dir=final.parent))
    try:
        if final.exists():
            os.replace(final, aside / final.name)
        os.replace(work, final)
        sync_folder(final.parent)
    except OSError:
        if (aside / final.name).exists() and not final.exists():
            os.replace(aside / final.name, final)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
