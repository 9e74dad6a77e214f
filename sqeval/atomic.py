"""Files that are either the old one or the new one, never half of each."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqeval.errors import UserError


@contextmanager
def explained(path: Path, comfort: str = "") -> Iterator[None]:
    """Disk full, read-only folder, ...: UserError with one message, which ends in `comfort`."""
    try:
        yield
    except OSError as error:
        told = f"{error.filename or path}: cannot be written: {error.strerror or error}"
        raise UserError(told + (f"; {comfort}" if comfort else "")) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by a file with `content`. Raises OSError, leaving the old file as it was."""
    write_chunks(path, (content,))


def write_text(path: Path, content: str) -> None:
    """Replace `path` by a UTF-8 file with `content`, newlines as they are."""
    write_bytes(path, content.encode("utf-8"))


def write_chunks(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace `path` by a file with `chunks` one after the other, held in memory one at a time."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb", buffering=1 << 20) as stream:
            os.chmod(stream.fileno(), 0o666 & ~_umask())  # mkstemp gives a file that its owner alone can read
            stream.writelines(chunks)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def drop_leftovers(path: Path) -> None:
    """Remove what killed processes were going to replace `path` by; nobody else may be writing it."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        leftover.unlink(missing_ok=True)


def drop_torn_line(path: Path) -> bool:
    """Drop a last line without its end, which a killed process left; whether there is any line, and any file."""
    if not path.is_file():
        return False
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        write_bytes(path, whole)
    return bool(whole)


def sync_folder(folder: Path) -> None:
    """Make renames and removals in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
