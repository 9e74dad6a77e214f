from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shades import write_data, write_plugin

from sqeval.config import RunConfig


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data root of the benchmark `shades`."""
    return write_data(tmp_path / "data")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The benchmark `shades`, installed."""
    path = write_plugin(tmp_path / "site")
    monkeypatch.syspath_prepend(str(path))
    return path


@pytest.fixture
def config(data: Path, site: Path, tmp_path: Path) -> Callable[..., RunConfig]:
    """A configuration that asks `shades` and writes below `tmp_path`; keywords change it."""

    def make(**changes: Any) -> RunConfig:
        settings = {"tasks": ("shades",), "data": str(data), "out": str(tmp_path / "results"), "name": "run"}
        return RunConfig(**{**settings, **changes})

    return make
