"""Files and folders that are there as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqllava.errors import SqLlavaError

_SUFFIX = ".sqllava-tmp"


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Disk full, read-only folder, ...: SqLlavaError with one message."""
    try:
        yield
    except SqLlavaError:
        raise
    except Exception as error:
        if not isinstance(error, OSError) and "(os error " not in str(error):  # as libraries in Rust say it
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise SqLlavaError(f"{getattr(error, 'filename', None) or path}: cannot be written: {reason}") from error


def write_text(path: Path, text: str) -> None:
    """Replace `path` by a file with this text. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_SUFFIX}")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """A new folder to write to, which becomes `path` when the block ends well and vanishes otherwise.

    Raises SqLlavaError if it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_SUFFIX}")
    try:
        with explained(path):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    with file.open("rb") as stream:
                        os.fsync(stream.fileno())
            if path.exists():
                shutil.rmtree(path)
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process was still writing below `folder`; nobody else may be writing there."""
    for path in list(folder.rglob(f".*{_SUFFIX}")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
