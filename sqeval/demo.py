"""The demo: the packaged checkpoint and two floors on the whole mini suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqeval.config import resolve
from sqeval.evaluation import evaluate
from sqeval.progress import Progress
from sqeval.runs import Run, load_run

MODELS: Sequence[Mapping[str, str]] = (
    {"name": "mini", "ckpt": "mini"},
    {"name": "mini-blind", "ckpt": "mini-blind"},
    {"name": "majority", "model": "majority"},
)
"""The model, its matched control that was trained without images, and the most frequent answer."""


def run_demo(out: str, progress: Progress, *, fresh: bool = False, command: str = "") -> list[Run]:
    """Evaluate every model of the demo on every task, each in a run folder under `out`; finished parts are kept.

    Raises UserError and IncompleteError, as `evaluate` does.
    """
    runs = []
    for model in MODELS:
        config = resolve({"tasks": "all", "data": "mini", "out": out, **model})
        outcome = evaluate(config, fresh=fresh, command=command, progress=progress)
        runs.append(load_run(outcome.folder))
    return runs
