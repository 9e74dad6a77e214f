"""Files stay small enough to be read."""

from __future__ import annotations

import statistics
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LIMIT = 400
MEDIAN_LIMIT = 150


def lengths(*folders: str) -> dict[str, int]:
    files = [path for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    counts = {path.relative_to(REPOSITORY).as_posix(): len(path.read_text("utf-8").splitlines()) for path in files}
    return {name: count for name, count in counts.items() if count}


def test_no_file_is_over_the_limit() -> None:
    long = {name: n for name, n in lengths("sqeval", "sqllava", "tasks", "tests", "benchmarks").items() if n > LIMIT}
    assert not long


def test_the_median_file_is_short() -> None:
    assert statistics.median(lengths("sqeval", "sqllava", "tasks").values()) < MEDIAN_LIMIT
