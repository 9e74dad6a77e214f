"""Where the generated suite lives: made once a version, complete or not there at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from sqeval.data.folders import ensured

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
    return ensured(cache_home() / f"{name}-v{MINI_VERSION}", build)
