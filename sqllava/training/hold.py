"""One training a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqllava.errors import SqLlavaError

LOCK = ".lock"


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Make the folder `out` if need be, and keep other runs out of it; the kernel lets go of it if this process dies.

    A launcher that is killed may leave its processes behind, at work. Raises SqLlavaError if another process holds the
    folder, or if it cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise SqLlavaError(f"{out}: cannot be written: {error.strerror}; choose another --out") from error
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # unlike flock's, not shared with data workers
    except (BlockingIOError, PermissionError):
        os.close(handle)
        raise SqLlavaError(f"{out}: another process is training into it; stop that one, or wait for it") from None
    except OSError:
        pass  # some clusters' file systems have no locks, and are where models are trained
    try:
        yield
    finally:
        (out / LOCK).unlink(missing_ok=True)
        os.close(handle)
