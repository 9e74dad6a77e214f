"""What two runs did differently, as run.json tells: checkpoint, prompts, data, settings, packages, hardware, code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqeval.runs import Run

UNTOLD = frozenset({"name", "tasks", "max_errors", "ckpt", "data"})
"""Settings that change neither answers nor scores, and names of places whose content is told by its hash."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs; values are short texts, with secrets masked when the run was written."""

    kind: str
    """``checkpoint``, ``prompts``, ``data``, ``scorer``, ``settings``, ``packages``, ``hardware`` or ``code``."""
    name: str
    before: str
    after: str


def changed(baseline: Run, candidate: Run) -> tuple[Change, ...]:
    """Everything that is known to differ, what matters most first. What neither run tells is not known to differ."""
    return tuple(
        Change(kind, name, _show(before), _show(after))
        for kind, name, before, after in _pairs(baseline, candidate)
        if before != after
    )


def same_weights(baseline: Run, candidate: Run) -> bool:
    """Whether both are known to be of one checkpoint; of a model without one, of the same settings."""
    ours, theirs = baseline.identity, candidate.identity
    if ours.get("checkpoint_hash") or theirs.get("checkpoint_hash"):
        return bool(ours.get("checkpoint_hash") == theirs.get("checkpoint_hash"))
    return all(ours.get(key) == theirs.get(key) for key in ("name", "kind", "checkpoint"))


def _pairs(baseline: Run, candidate: Run) -> Iterator[tuple[str, str, Any, Any]]:
    ours, theirs = baseline.identity, candidate.identity
    known = ours.get("checkpoint_hash") and theirs.get("checkpoint_hash")
    for key in ("kind", "checkpoint_hash") if known else ("kind", "name", "checkpoint"):
        yield "checkpoint", "content" if key == "checkpoint_hash" else key, ours.get(key), theirs.get(key)
    for task in baseline.tasks.keys() & candidate.tasks.keys():
        here, there = baseline.tasks[task].hashes, candidate.tasks[task].hashes
        for kind in ("prompts", "data", "scorer"):
            yield kind, task, here.get(kind), there.get(kind)
    yield from _named("settings", _settings(baseline), _settings(candidate))
    for kind, field in (("packages", "packages"), ("hardware", "hardware"), ("code", "git")):
        yield from _named(kind, baseline.info.get(field), candidate.info.get(field))


def _settings(run: Run) -> dict[str, Any]:
    """As they were typed, and over them what the model made of them."""
    typed = {key: value for key, value in run.info["config"].items() if key not in UNTOLD}
    return typed | dict(run.identity.get("details") or {})


def _named(
    kind: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> Iterator[tuple[str, str, Any, Any]]:
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return
    for name in dict.fromkeys((*before, *after)):
        yield kind, str(name), before.get(name), after.get(name)


def _show(value: Any) -> str:
    if value is None or value == []:
        return "none"
    if isinstance(value, list) and all(isinstance(part, Mapping) and "name" in part for part in value):
        return ", ".join(str(part["name"]) for part in value)  # GPUs
    text = str(value)
    return text[:10] if re.fullmatch("[0-9a-f]{40,64}", text) else text
