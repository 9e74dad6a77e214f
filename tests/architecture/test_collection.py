"""What pytest collects is the same in every process: pytest-xdist refuses to start otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

COLLECT = """
import sys, time, pytest
time.time = lambda clock=time.time: clock() + float(sys.argv[1])  # as if it had started on another day
sys.exit(pytest.main(["--collect-only", "-q", "-o", "addopts=", "-p", "no:cacheprovider"]))
"""


def collected(hash_seed: int, seconds_later: int) -> list[str]:
    """Ids of all tests, as a process with this hash seed and this clock collects them."""
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, str(seconds_later)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if "::" in line]


@pytest.mark.slow
def test_two_processes_collect_the_same_tests() -> None:
    first, second = collected(1, 0), collected(2, 86_400)
    assert len(first) > 1000
    assert first == second
