"""What the Tab key offers where an option takes a name. Nothing heavy is imported, so that it answers at once."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points


def tasks(incomplete: str) -> list[str]:
    """Benchmarks, or ``all``; after a comma those that are not named yet."""
    before, comma, word = incomplete.rpartition(",")
    named = before.split(",") if comma else []
    offered = [*_names("sqeval.tasks"), *([] if comma else ["all"])]
    return [f"{before}{comma}{name}" for name in offered if name.startswith(word) and name not in named]


def task(incomplete: str) -> list[str]:
    """One benchmark."""
    return _starting(_names("sqeval.tasks"), incomplete)


def models(incomplete: str) -> list[str]:
    """Adapters."""
    return _starting(_adapters(), incomplete)


def checkpoints(incomplete: str) -> list[str]:
    """Packaged checkpoints, and floors that may stand for one; the shell itself offers folders, if none fits."""
    from sqeval.models.sqllava import packaged

    floors = [name for name in _adapters() if name in ("majority", "random")]
    return _starting([*packaged(), *floors], incomplete)


def data(incomplete: str) -> list[str]:
    """Data roots with a name; the shell itself offers folders, if none fits."""
    return _starting(["mini", "hub"], incomplete)


def _names(group: str) -> list[str]:
    return sorted({point.name for point in entry_points(group=group)})


def _adapters() -> list[str]:
    from sqeval.models.kinds import kind_names

    return kind_names()


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
