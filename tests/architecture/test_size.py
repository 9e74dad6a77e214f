"""Files stay small enough to be read."""

from __future__ import annotations

import statistics
from collections.abc import Collection
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CODE = (".py", ".js", ".css", ".j2")
LIMIT = 400
MEDIAN_LIMIT = 150


def lengths(*folders: str, suffixes: Collection[str] = (".py",)) -> dict[str, int]:
    found = [path for folder in folders for path in sorted((REPOSITORY / folder).rglob("*"))]
    files = [path for path in found if path.suffix in suffixes]
    counts = {path.relative_to(REPOSITORY).as_posix(): len(path.read_text("utf-8").splitlines()) for path in files}
    return {name: count for name, count in counts.items() if count}


def test_no_file_is_over_the_limit() -> None:
    every = lengths("sqeval", "sqllava", "tasks", "tests", "benchmarks", suffixes=CODE)
    assert not {name: n for name, n in every.items() if n > LIMIT}


def test_the_median_file_is_short() -> None:
    assert statistics.median(lengths("sqeval", "sqllava", "tasks").values()) < MEDIAN_LIMIT
