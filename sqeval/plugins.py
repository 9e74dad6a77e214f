"""What distributions offer by entry points: found by name, imported when it is used, and broken ones told with their
distribution."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from sqeval.errors import UserError


def names(group: str) -> list[str]:
    """Names in a group, sorted. Nothing is imported."""
    return sorted({point.name for point in entry_points(group=group)})


def find(group: str, what: str, name: str) -> EntryPoint | None:
    """The entry point called `name`; `what` says in messages what it is. Raises UserError if two distributions differ
    about it."""
    points = [point for point in entry_points(group=group) if point.name == name]
    if len({point.value for point in points}) > 1:
        claims = " and ".join(sorted(origin(point) for point in points))
        raise UserError(f"{what} {name!r} is claimed by {claims}; uninstall one of them")
    return points[0] if points else None


def load(point: EntryPoint, what: str) -> Any:
    """What an entry point leads to, made if it is a class. Raises UserError that says whose it is."""
    try:
        found = point.load()
        return found() if isinstance(found, type) else found
    except Exception as error:  # a plugin may fail in any way; the user must learn whose it is
        why = f"{type(error).__name__}: {error}"
        raise UserError(f"{what} {point.name!r} of {origin(point)} cannot be loaded: {why}") from error


def origin(point: EntryPoint) -> str:
    """Distribution, version and place."""
    distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
    return f"{distribution} ({point.value})"


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'pope'? ``, or nothing when no known word is near."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1)
    return f"did you mean {close[0]!r}? " if close else ""
