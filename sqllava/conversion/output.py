"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqllava.atomic import explained
from sqllava.errors import CheckpointError


def check_free(out: Path, nbytes: int) -> None:
    """Raises CheckpointError if `out` holds something, or its disk has less than `nbytes` left."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(f"{out}: exists and is not an empty folder; choose another --out")
    above = next(folder for folder in out.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(above).free
    if free < nbytes:
        raise CheckpointError(f"{out}: needs {nbytes / 1e9:.1f} GB, but its disk has {free / 1e9:.1f} GB left")


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A new folder beside `out` to write into; renamed to `out` at the end, removed if anything goes wrong.

    A process that is killed leaves ``<out>.tmp-*`` behind and no `out`. Raises SqLlavaError if it cannot be written.
    """
    unfinished = out.with_name(f"{out.name}.tmp-{secrets.token_hex(4)}")
    try:
        with explained(out):
            unfinished.mkdir(parents=True)
            yield unfinished
            os.rename(unfinished, out)  # refused by the system if somebody has filled `out` meanwhile
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
