"""The run record: how each run was made, field by field, and where the runs differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqeval.report.numbers import NONE
from sqeval.report.text import plain
from sqeval.runs import Run

SECTIONS = ("config", "identity", "git", "packages", "hardware", "data", "seeds", "timing", "throughput")
FIRST = ("kind", "name", "command", "status", "schema")
NATURAL = frozenset({"name", "command", "timing", "throughput"})
"""Differ from run to run by nature."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of run.json; an entry a run."""

    name: str
    values: Sequence[str]
    differs: bool
    """The runs disagree, and in something that one would not expect."""


@dataclass(frozen=True, slots=True)
class Section:
    """An object of run.json, or what the tasks' metrics.json say of hashes."""

    name: str
    fields: Sequence[Field]


def sections(runs: Sequence[Run]) -> list[Section]:
    """All of run.json but the results, and the hashes of each task."""
    run = {name: [record.info.get(name) for record in runs] for name in FIRST}
    hashes = [{name: task.hashes for name, task in run.tasks.items()} for run in runs]
    found = [_section("run", [{name: values[i] for name, values in run.items()} for i in range(len(runs))])]
    found += [_section(name, [record.info.get(name) for record in runs]) for name in SECTIONS]
    found.append(_section("hashes", hashes))
    return [section for section in found if section.fields]


def _section(name: str, objects: Sequence[Any]) -> Section:
    flat = [dict(_flat(entry)) if isinstance(entry, Mapping) else {} for entry in objects]
    fields = []
    for key in dict.fromkeys(key for entry in flat for key in entry):
        values = [entry.get(key, NONE) for entry in flat]
        natural = name in NATURAL or key in NATURAL
        fields.append(Field(plain(key), [plain(value) for value in values], len(set(values)) > 1 and not natural))
    return Section(name, fields)


def _flat(entry: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """``{"a": {"b": 1}}`` to ``a.b``, 1; lists and texts as they are read."""
    for key, value in entry.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list):
            yield name, ", ".join(v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in value) or NONE
        elif value is None or value == {}:
            yield name, NONE
        else:
            yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
