from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_hf
from PIL import Image

from sqeval.config import RunConfig
from sqeval.data.images import ImageRef


@pytest.fixture(scope="session")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_hf.write_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="session")
def idefics3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_hf.write_idefics3(tmp_path_factory.mktemp("idefics3"))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[ImageRef]:
    """Noise of three shapes."""
    folder = tmp_path_factory.mktemp("images")
    found = []
    for number, size in enumerate([(40, 30), (90, 20), (64, 64)]):
        file = folder / f"{number}.png"
        Image.effect_noise(size, 80).convert("RGB").save(file)
        found.append(ImageRef(file.name, path=file))
    return found


@pytest.fixture
def asking() -> Callable[..., RunConfig]:
    """A configuration for a checkpoint; keywords change it."""

    def make(ckpt: Path | str | None, **changes: Any) -> RunConfig:
        settings = {"tasks": ("t",), "data": "-", "ckpt": None if ckpt is None else str(ckpt), "device": "cpu"}
        return RunConfig(**{**settings, **changes})

    return make
