"""The evaluation root, built once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqeval.data.mini.build import build_evaluation


@pytest.fixture(scope="session")
def mini_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mini")
    build_evaluation(root)
    return root
