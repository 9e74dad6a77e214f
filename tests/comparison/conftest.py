"""Installs `tiny_tasks` as a distribution with entry points, so that the registry finds it as it finds any plugin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def tiny_plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    site = tmp_path_factory.mktemp("site")
    info = site / "tiny_tasks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-tasks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[sqeval.tasks]\ncolours = tiny_tasks:Colours\npresence = tiny_tasks:Presence\n"
    )
    added = [str(site), str(Path(__file__).parent)]
    sys.path[:0] = added
    yield
    for path in added:
        sys.path.remove(path)
