"""Benchmarks by name: plugins of the entry-point group ``sqeval.tasks``, ours and third parties' alike.

Names with a colon, ``FAMILY:NAME``, are tasks of another collection; a plugin of the group ``sqeval.task_families``
makes them, when they are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from sqeval import plugins
from sqeval.errors import UserError
from sqeval.plugins import nearest, origin
from sqeval.protocol import OFFICIAL
from sqeval.task import Task

__all__ = [
    "FAMILIES",
    "GROUP",
    "TaskFamily",
    "get_family",
    "get_task",
    "nearest",
    "parse_tasks",
    "protocols",
    "task_names",
]
GROUP = "sqeval.tasks"
FAMILIES = "sqeval.task_families"


class TaskFamily(Protocol):
    """What a plugin of the group `FAMILIES` loads: a class without arguments, or an object."""

    def names(self) -> Sequence[str]:
        """Of all its tasks, without the prefix. Raises UserError."""
        ...

    def task(self, name: str) -> Task:
        """The task of this name, which calls itself ``FAMILY:NAME``. Raises UserError."""
        ...


def task_names(protocol: str = OFFICIAL) -> list[str]:
    """Names of all installed tasks that know `protocol`, sorted. No plugin is imported."""
    return plugins.names(_group(protocol))


def protocols(name: str | None = None) -> list[str]:
    """Protocols that the task called `name`, or any task, knows; the official one first."""
    others = (group.removeprefix(f"{GROUP}.") for group in entry_points().groups if group.startswith(f"{GROUP}."))
    return [OFFICIAL, *sorted(other for other in others if name is None or name in task_names(other))]


def get_task(name: str, protocol: str = OFFICIAL) -> Task:
    """The task called `name` as `protocol` has it; only its own plugin is imported.

    Raises UserError for an unknown name, for a protocol that the task does not know, for a name that two distributions
    claim, and for a plugin that is broken.
    """
    family, colon, inner = name.partition(":")
    if colon and protocol == OFFICIAL:
        return get_family(family).task(inner)
    point = plugins.find(_group(protocol), "task", name)
    if point is None and protocol != OFFICIAL and (colon or name in task_names()):
        raise UserError(f"task {name!r} does not know the protocol {protocol!r}, only {', '.join(protocols(name))}")
    if point is None:
        raise UserError(_unknown(name))
    return _load(point, protocol)


def get_family(name: str) -> TaskFamily:
    """The family of tasks called `name`. Raises UserError for one that is unknown or broken."""
    points = {point.name: point for point in entry_points(group=FAMILIES)}
    if name not in points:
        raise UserError(f"unknown family of tasks {name!r}; there are: {', '.join(sorted(points)) or 'none'}")
    try:
        found = points[name].load()
        family: TaskFamily = found() if isinstance(found, type) else found
    except Exception as error:  # as with tasks
        why = f"{type(error).__name__}: {error}"
        raise UserError(f"family {name!r} of {origin(points[name])} cannot be loaded: {why}") from error
    return family


def parse_tasks(text: str, protocol: str = OFFICIAL) -> list[Task]:
    """``gqa,pope`` or ``all`` that know the protocol, in the order given, each once. Raises UserError."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise UserError(f"--tasks: name at least one of {', '.join(task_names())}, or `all`")
    if names == ["all"]:
        names = task_names(protocol)
    return [get_task(name, protocol) for name in dict.fromkeys(names)]


def _group(protocol: str) -> str:
    return GROUP if protocol == OFFICIAL else f"{GROUP}.{protocol}"


def _load(point: EntryPoint, protocol: str) -> Task:
    task = plugins.load(point, "task")
    if not isinstance(task, Task):
        raise UserError(f"task {point.name!r} of {origin(point)} is not a sqeval.task.Task")
    if task.name != point.name:
        raise UserError(f"task {point.name!r} of {origin(point)} calls itself {task.name!r}; the two must agree")
    if task.protocol != protocol:
        problem = f"says that its protocol is {task.protocol!r}, not {protocol!r}; the two must agree"
        raise UserError(f"task {point.name!r} of {origin(point)} {problem}")
    return task


def _unknown(name: str) -> str:
    names = task_names()
    if not names:
        return f"unknown task {name!r}: no task plugin is installed (is the package installed, not just on the path?)"
    return f"unknown task {name!r}; {nearest(name, names)}there are: {', '.join(names)}"
