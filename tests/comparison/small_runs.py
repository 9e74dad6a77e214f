"""Run folders of known content, written with the code that real runs are written with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sqeval.model import Identity
from sqeval.records import Record
from sqeval.registry import get_task
from sqeval.rundir import RunFolder
from sqeval.runner import counts
from sqeval.runs import Run, load_run
from sqeval.stats import estimate

ROOMS = ("kitchen", "garden")
HASHES = {"data": "d" * 64, "prompts": "p" * 64, "scorer": "s" * 64}


def answers(right: Sequence[bool] | np.ndarray[Any, Any], *, each: int = 5) -> list[Record]:
    """One record a truth value; `each` samples an image; the first half kitchen, the rest garden.

    Even samples have a positive reference, so that right and wrong ones fill all cells of a confusion matrix.
    """
    records = []
    for i, ok in enumerate(right):
        positive = i % 2 == 0
        records.append(
            Record(
                id=f"q{i:05}",
                cluster=f"image{i // each:05}",
                image=None,
                question="Is it red?",
                prompt="Is it red?",
                response="red" if ok else "blue",
                parsed="red" if ok else "blue",
                reference="red",
                scores={
                    "accuracy": float(ok),
                    "tp": float(ok and positive),
                    "fp": float(not ok and not positive),
                    "fn": float(not ok and positive),
                },
                tags={"room": ROOMS[i >= len(right) / 2]},
            )
        )
    return records


def make_run(
    folder: Path,
    tasks: Mapping[str, Sequence[Record]],
    *,
    started: str = "2026-01-01T00:00:00+00:00",
    limit: int | None = None,
    data: str = "mini",
    sees_images: bool = True,
    status: str = "complete",
    hashes: Mapping[str, str] = HASHES,
    version: str = "1",
    checkpoint: str | None = None,
    told: Mapping[str, Any] | None = None,
) -> Run:
    """A complete run in `folder`, named after it, as its checkpoint is; `told` are more fields of run.json."""
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    checkpoint = checkpoint or folder.name
    identity = Identity(folder.name, "test", checkpoint_hash=checkpoint, sees_images=sees_images)
    info = {
        "name": folder.name,
        "config": {"data": data, "limit": limit, "seed": 0, "tasks": list(tasks)},
        "identity": {field: getattr(identity, field) for field in ("name", "kind", "checkpoint_hash", "sees_images")},
        "timing": {"started": started},
        **(told or {}),
    }
    for name, records in tasks.items():
        task = get_task(name)
        part = run.task(name)
        part.path.mkdir()
        part.replace(records)
        metrics = {metric.name: estimate(metric).to_json() for metric in task.metrics(records)}
        result = {"task": name, "version": version, "primary": task.primary, "metrics": metrics}
        part.finish({**result, "counts": counts(records), "hashes": {**hashes, "checkpoint": checkpoint}}, {})
    run.write({**info, "status": "complete", "tasks": {name: {} for name in tasks}})
    loaded = load_run(folder)
    run.write({**info, "status": status, "tasks": {name: {} for name in tasks}})
    return loaded


def truths(n: int = 400, *, seed: int = 0, rate: float = 0.7) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of `n` answers are right."""
    return np.random.default_rng(seed).random(n) < rate


def spoiled(right: np.ndarray[Any, Any], share: float, *, seed: int = 1) -> np.ndarray[Any, Any]:
    """The same answers with `share` of the right ones made wrong."""
    return right & (np.random.default_rng(seed).random(len(right)) >= share)
