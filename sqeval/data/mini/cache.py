"""Where the generated suite lives: made once a version, complete or not there at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

MINI_VERSION = "1"
"""Raised whenever a byte of the generated files changes."""


def cache_home() -> Path:
    """``$SQEVAL_CACHE``, else ``$XDG_CACHE_HOME/sqeval``, else ``~/.cache/sqeval``."""
    if explicit := os.environ.get("SQEVAL_CACHE"):
        return Path(explicit)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sqeval"


def ensure_mini() -> Path:
    """Root of the evaluation files, generated on first use (seconds)."""
    from sqeval.data.mini.build import build_evaluation

    return _ensure("mini", build_evaluation)


def ensure_mini_training() -> Path:
    """Root of the training files, disjoint from evaluation, generated on first use."""
    from sqeval.data.mini.training import build_training

    return _ensure("mini-training", build_training)


def _ensure(name: str, build: Callable[[Path], None]) -> Path:
    """The folder `name`; built beside its final place and moved there whole, so that it never exists half-made."""
    final = cache_home() / f"{name}-v{MINI_VERSION}"
    if final.is_dir():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=final.parent))
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
