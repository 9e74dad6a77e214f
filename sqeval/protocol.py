"""Whose evaluation a score comes from: the benchmark's own, or another one that tables are made with.

A protocol is an entry-point group, ``sqeval.tasks.NAME``, beside that of the tasks; its plugins are subclasses of
theirs, under the same names. What differs, each says in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqeval.model import Identity
    from sqeval.task import Task

OFFICIAL = "official"
"""The benchmark's own: what the tasks themselves do."""
ASKED = "asked"
"""Detail of an identity: the protocol by which the responses were asked for, where they are scored by another one."""
ASPECTS = ("data", "prompt", "generation", "images", "scorer", "metrics", "judge", "not reproduced")
"""What may differ, in the order in which it is told."""


def protocol_of(record: Mapping[str, Any]) -> str:
    """The protocol in a configuration of run.json, or in metrics.json; files from before there were several have
    none."""
    return str(record.get("protocol", OFFICIAL))


def marked(protocol: str) -> tuple[str, ...]:
    """What a hash takes besides: the protocol, if it is not the official one, whose hashes are older than this."""
    return () if protocol == OFFICIAL else (protocol,)


def other_images(tasks: Iterable[Task], who: Identity) -> list[str]:
    """One line for each way of making images square that tasks want and the model was not told to use."""
    mode = who.details.get("image_aspect_ratio")
    wanted: dict[str, list[str]] = {}
    for task in tasks:
        if mode is not None and task.image_aspect_ratio not in (None, mode):
            wanted.setdefault(str(task.image_aspect_ratio), []).append(task.name)
    return [
        f"{', '.join(names)}: images are to be made square by {want!r}, and this model uses {mode!r}; "
        f"--model-args image_aspect_ratio={want} changes that"
        for want, names in wanted.items()
    ]
