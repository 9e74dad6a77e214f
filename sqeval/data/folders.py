"""Folders that are there whole or not at all, and that never replace what somebody else put there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqeval.atomic import explained, sync_folder
from sqeval.errors import UserError

MANIFEST = "prepared.json"
"""Written into every folder that is made here; a folder without it is not ours to replace."""


@contextmanager
def made(final: Path) -> Iterator[Path]:
    """A new folder to fill, which takes the place of `final` when all went well.

    `final` may be missing, empty, or an earlier one with a `MANIFEST`. Raises UserError for any other, and if it cannot
    be written.
    """
    require_ours(final)
    with explained(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
        try:
            yield work
            work.chmod(0o755)
            _replace(work, final)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def ensured(final: Path, build: Callable[[Path], None]) -> Path:
    """`final`; if it is not there, `build` fills a folder beside it, which then becomes it.

    Several processes may try at once: the quickest one's is kept, and what is there is never touched. Raises UserError
    if it cannot be written.
    """
    if final.is_dir():
        return final
    with explained(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
        try:
            build(work)
            work.chmod(0o755)
            try:
                work.rename(final)
            except OSError:
                if not final.is_dir():  # not another process that was quicker
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return final


def require_ours(final: Path) -> None:
    """Raise UserError if `final` holds something that was not made here."""
    if final.is_dir():
        foreign = next(final.iterdir(), None) if not (final / MANIFEST).is_file() else None
    else:
        foreign = final if final.exists() else None
    if foreign is not None:
        raise UserError(f"--out {final}: holds {foreign.name}, which was not made by this command; give another folder")


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
