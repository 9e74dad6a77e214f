"""Every command as nobody killed it, once for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from killed_commands import Whole, commands, whole
from nursery import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(scope="session")
def wholes(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Whole]:
    """By name."""
    work = tmp_path_factory.mktemp("commands")
    return {command.name: whole(command, nursery, work / command.name) for command in commands(work)}
