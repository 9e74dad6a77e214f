"""One process a folder, or a file: an advisory lock that the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqeval.atomic import drop_leftovers, explained
from sqeval.errors import UserError

LOCK = ".lock"
_handles: set[int] = set()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`; the lock file is gone afterwards. Raises UserError if somebody else holds it."""
    with _held(folder / LOCK, f"{folder} is in use by another process; wait for it, or give this run another --name"):
        yield


@contextmanager
def locked_file(file: Path) -> Iterator[None]:
    """Hold the lock of `file` alone, which need not exist: others may write beside it. Its folder is made if need be.

    Raises UserError if somebody else holds it, or if the folder cannot be written.
    """
    with explained(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    busy = f"{file} is being written by another process; wait for it, or give another -o"
    with _held(file.with_name(f".{file.name}{LOCK}"), busy):
        with explained(file):
            drop_leftovers(file)
        yield


@contextmanager
def _held(path: Path, busy: str) -> Iterator[None]:
    _leave_children_out()
    with explained(path):
        handle = _acquire(path, busy)
    _handles.add(handle)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        _handles.discard(handle)
        os.close(handle)


@cache
def _leave_children_out() -> None:
    """A forked process, such as one that opens images, must not hold the lock for a holder that was killed."""

    def let_go() -> None:
        while _handles:
            os.close(_handles.pop())

    os.register_at_fork(after_in_child=let_go)


def _acquire(path: Path, busy: str) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(handle, path):
                return handle
        except BlockingIOError:
            os.close(handle)
            raise UserError(busy) from None
        except OSError as error:
            os.close(handle)
            raise UserError(
                f"{path}: this file system cannot lock files ({error.strerror}); choose --out on another one"
            ) from None
        os.close(handle)


def _is(handle: int, path: Path) -> bool:
    """Whether `path` still is the file that was locked: its last holder removes it."""
    try:
        now = path.stat()
    except FileNotFoundError:
        return False
    held = os.fstat(handle)
    return (held.st_dev, held.st_ino) == (now.st_dev, now.st_ino)
