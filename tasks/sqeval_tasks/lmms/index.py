"""Which tasks lmms-eval has, and in which file: read from its YAML files without importing it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from sqeval.errors import UserError
from sqeval.registry import nearest
from sqeval_tasks.lmms.library import lmms_version, tasks_folder

_LINE = re.compile(r"^(task|group)[ \t]*:[ \t]*(['\"]?)([\w.+-]+)\2[ \t]*(?:#.*)?$", re.MULTILINE)
_MEMBERS = re.compile(r"^task[ \t]*:[ \t]*\n((?:[ \t]*-[ \t]*.*\n?)+)", re.MULTILINE)
_MEMBER = re.compile(r"-[ \t]*(?:task[ \t]*:)?[ \t]*['\"]?([\w.+-]+)")


class Index(NamedTuple):
    """What there is."""

    files: Mapping[str, Path]
    """YAML file by task."""
    groups: Mapping[str, tuple[str, ...]]
    """Members by name of the group."""


@cache
def index(folder: Path) -> Index:
    """All tasks and groups below `folder`."""
    files: dict[str, Path] = {}
    groups: dict[str, tuple[str, ...]] = {}
    for path in sorted(folder.rglob("*.yaml")):
        text = path.read_text("utf-8", errors="replace")
        named = {kind: name for kind, _, name in _LINE.findall(text)}
        members = _MEMBERS.search(text)
        if "group" in named and members:
            groups[named["group"]] = tuple(_MEMBER.findall(members[1]))
        elif "task" in named:
            files.setdefault(named["task"], path)
    return Index(files, groups)


def task_file(name: str) -> Path:
    """The YAML file of the task called `name`. Raises UserError with the nearest name, or with a group's members."""
    known = index(tasks_folder())
    if name in known.files:
        return known.files[name]
    if name in known.groups:
        members = ",".join(f"lmms:{member}" for member in known.groups[name])
        raise UserError(f"lmms:{name} is a group of lmms-eval's; name its tasks: {members}")
    near = nearest(f"lmms:{name}", (f"lmms:{other}" for other in known.files))
    raise UserError(
        f"unknown task 'lmms:{name}': lmms-eval {lmms_version()} has none of this name; {near}"
        f"`sqeval tasks list --family lmms` lists its {len(known.files):,}"
    )
