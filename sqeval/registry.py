"""Benchmarks by name: plugins of the entry-point group ``sqeval.tasks``, ours and third parties' alike."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from sqeval.errors import UserError
from sqeval.task import Task

GROUP = "sqeval.tasks"


def task_names() -> list[str]:
    """Names of all installed tasks, sorted. No plugin is imported."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def get_task(name: str) -> Task:
    """The task called `name`; only its own plugin is imported.

    Raises UserError for an unknown name, for one that two distributions claim, and for a plugin that is broken.
    """
    points = [point for point in entry_points(group=GROUP) if point.name == name]
    if not points:
        raise UserError(_unknown(name))
    if len({point.value for point in points}) > 1:
        claims = " and ".join(sorted(_origin(point) for point in points))
        raise UserError(f"task {name!r} is claimed by {claims}; uninstall one of them")
    return _load(points[0])


def parse_tasks(text: str) -> list[Task]:
    """``gqa,pope`` or ``all``, in the order given, each once. Raises UserError."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise UserError(f"--tasks: name at least one of {', '.join(task_names())}, or `all`")
    if names == ["all"]:
        names = task_names()
    return [get_task(name) for name in dict.fromkeys(names)]


def _load(point: EntryPoint) -> Task:
    try:
        found = point.load()
        task = found() if isinstance(found, type) else found
    except Exception as error:  # a plugin may fail in any way; the user must learn whose it is
        why = f"{type(error).__name__}: {error}"
        raise UserError(f"task {point.name!r} of {_origin(point)} cannot be loaded: {why}") from error
    if not isinstance(task, Task):
        raise UserError(f"task {point.name!r} of {_origin(point)} is not a sqeval.task.Task")
    if task.name != point.name:
        raise UserError(f"task {point.name!r} of {_origin(point)} calls itself {task.name!r}; the two must agree")
    return task


def _origin(point: EntryPoint) -> str:
    distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
    return f"{distribution} ({point.value})"


def _unknown(name: str) -> str:
    names = task_names()
    if not names:
        return f"unknown task {name!r}: no task plugin is installed (is the package installed, not just on the path?)"
    return f"unknown task {name!r}; {nearest(name, names)}there are: {', '.join(names)}"


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'pope'? ``, or nothing when no known word is near."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1)
    return f"did you mean {close[0]!r}? " if close else ""
