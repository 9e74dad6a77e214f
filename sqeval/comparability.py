"""Whether two runs of a task did the same thing, so that the model is all that differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqeval.runs import TaskRun

OWN_HASHES = frozenset({"checkpoint"})
"""Hashes of metrics.json that may differ between runs that are compared: that is what is compared."""


def differing(base: TaskRun, candidate: TaskRun) -> list[str]:
    """What the two runs did differently, other than the model."""
    reasons = []
    if base.protocol != candidate.protocol:
        reasons.append(f"protocol ({base.protocol} and {candidate.protocol})")
    for field in ("version", "primary"):
        ours, theirs = base.result[field], candidate.result[field]
        if ours != theirs:
            reasons.append(f"task {field} ({ours} and {theirs})")
    ours, theirs = (run.result.get("judge") or {} for run in (base, candidate))
    if ours != theirs:
        reasons.append(f"judge ({_judge_of(ours)} and {_judge_of(theirs)}): scores by different judges are not mixed")
    for name in sorted((set(base.hashes) | set(candidate.hashes)) - OWN_HASHES):
        if base.hashes.get(name) != candidate.hashes.get(name):
            reasons.append(f"{name} hash")
    return reasons


def _judge_of(judge: Mapping[str, Any]) -> str:
    """``gpt-4 as gpt-4-0613, 3 rounds``."""
    return f"{judge.get('name')} as {judge.get('version')}, rounds: {judge.get('rounds')}" if judge else "none"
