"""A tiny random checkpoint on disk, shared by the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_sqllava as tiny


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny.model().save_pretrained(folder)
    tiny.processor().save_pretrained(folder)
    return folder
