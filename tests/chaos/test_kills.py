"""Every command, killed at moments that a seed draws, ends with the files of one that nobody killed.

`make chaos` does it hundreds of times.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from killed_commands import Command, Count, commands, whole
from nursery import Nursery

SEED = 0


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path_factory.mktemp("nursery") / "log")
    yield nursery
    nursery.close()


def test_every_command_goes_on_where_it_was_killed(nursery: Nursery, tmp_path: Path) -> None:
    faults, seen = [], set()
    for command in commands(tmp_path):
        alone, count = whole(command, nursery, tmp_path / command.name), Count()
        alone.kill(nursery, tmp_path / f"{command.name}-killed", random.Random(f"{SEED} {command.name}"), count)
        print(f"{command.name}: {count.kills} kills, seed {SEED}")
        faults += [f"{command.name}: {fault}" for fault in count.faults]
        seen.add(command.name)
        assert count.chains == 1
    assert not faults
    assert seen == {"run", "score", "ask", "answer", "train"}


def test_a_fault_is_seen(nursery: Nursery, tmp_path: Path) -> None:
    """What counts faults counts one where a command ends otherwise than it did alone."""
    command = Command("run", "sqeval", ("tasks", "list"))
    alone, count = whole(command, nursery, tmp_path / "alone"), Count()
    alone.content = {"it": b"what was there when nobody killed it"}
    alone.events = 1
    alone.kill(nursery, tmp_path / "killed", random.Random(0), count)
    assert len(count.faults) == 1
