"""Every command, killed at moments that a seed draws, ends with the files of one that nobody killed.

`make chaos` does it hundreds of times.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from killed_commands import Count, Whole
from nursery import Nursery

SEED = 0
NAMES = ("run", "score", "ask", "answer", "train")


@pytest.mark.parametrize("name", NAMES)
def test_a_command_goes_on_where_it_was_killed(
    name: str, nursery: Nursery, wholes: dict[str, Whole], tmp_path: Path
) -> None:
    count = Count()
    wholes[name].kill(nursery, tmp_path / "out", random.Random(f"{SEED} {name}"), count)
    print(f"{name}: {count.kills} kills, seed {SEED}")
    assert not count.faults
    assert count.chains == 1


def test_a_fault_is_seen(nursery: Nursery, wholes: dict[str, Whole], tmp_path: Path) -> None:
    """What counts faults counts one where a command ends otherwise than it did alone."""
    other, count = replace(wholes["score"], content={"it/run.json": {}}), Count()
    other.kill(nursery, tmp_path / "out", random.Random(0), count)
    assert len(count.faults) == 5  # run.json, and of two tasks each samples and metrics
