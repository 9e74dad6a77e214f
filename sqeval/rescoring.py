"""Answers that exist already: what to replay, and what is remembered of the run that they come from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqeval.config import RunConfig, resolve
from sqeval.errors import DataError, UserError
from sqeval.protocol import protocol_of
from sqeval.registry import get_task
from sqeval.rundir import RUN, SAMPLES, read_json

ALLOWANCES = ("missing", "part", "extra", "duplicates")
"""What a file of predictions may have, if it is allowed by name."""


def scoring_config(predictions: Path, given: Mapping[str, Any]) -> RunConfig:
    """The configuration that scores `predictions`: `given` (fields of RunConfig, and ``task``; None: not given), over
    what the run that they come from was told, over $SQEVAL_DATA.

    ``allow_missing`` and the other `ALLOWANCES` may be given as well. Raises UserError.
    """
    settings = {key: value for key, value in given.items() if value is not None}
    allowed = {f"allow_{what}": "true" for what in ALLOWANCES if settings.pop(f"allow_{what}", False)}
    settings |= {"model_args": allowed} if allowed else {}
    task = settings.pop("task", None)
    if task is not None:
        get_task(task)
        settings["tasks"] = task
    source, remembered = _source(predictions, task, settings.get("protocol"))
    elsewhere = {"data": os.environ.get("SQEVAL_DATA")}
    return resolve({**elsewhere, **remembered, **settings, "model": "replay", "ckpt": str(source)})


def _source(predictions: Path, task: str | None, protocol: str | None) -> tuple[Path, dict[str, Any]]:
    """What to replay and, if it is a run of ours, the settings that decided which questions were asked."""
    if not predictions.exists():
        raise UserError(f"--predictions {predictions}: no such file or folder; give predictions, or a run folder")
    folder = predictions.parent.parent if predictions.name == SAMPLES else predictions
    run = read_json(folder / RUN)
    if run is None:
        if task is None:
            raise UserError("--task: name the benchmark that the predictions belong to (`sqeval tasks list` shows all)")
        return predictions, {}
    try:
        remembered = {key: run["config"][key] for key in ("tasks", "data", "limit", "seed")}
        remembered |= {key: run["config"][key] for key in ("epochs", "temperature") if key in run["config"]}
        asked = protocol_of(run["config"])
        images, splits = run["config"].get("images"), run["config"].get("split", {})
    except (KeyError, TypeError) as error:
        raise DataError(
            f"is not a run of this version ({error}); repeat the run", file=folder / RUN, field="config"
        ) from None
    other = protocol is not None and protocol != asked
    remembered["name"] = f"{folder.resolve().name}-rescored" + (f"-{protocol}" if other else "")
    remembered["protocol"] = asked
    if predictions.name == SAMPLES:
        remembered["tasks"] = task = predictions.parent.name
    remembered["split"] = {name: split for name, split in splits.items() if task in (None, name)}
    if images is not None and Path(images).expanduser().is_dir():  # scoring can do without
        remembered["images"] = images
    return folder, remembered
