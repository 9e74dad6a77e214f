"""Training tests run on one thread and share a small training split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from small_recipe import training_root


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training split of 32 scenes."""
    return training_root(tmp_path_factory.mktemp("training") / "root")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    AcceleratorState._reset_state(reset_partial_state=True)  # a process trains once; tests train many times in one
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
