"""Baselines: finished runs stored compactly, for committing beside the code that they guard.

A baseline is a run folder whose samples are a sorted CSV, gzipped: what metrics and pairing need, without questions,
prompts and raw responses.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from sqeval.atomic import explained
from sqeval.data.collection import paused
from sqeval.errors import UserError
from sqeval.rundir import METRICS, RUN, to_json
from sqeval.runs import Run
from sqeval.stored import STORED, pack


@paused()
def store(run: Run, out: Path, name: str | None = None) -> Path:
    """Store `run` as the baseline ``out/name``, which must not exist, and return that folder. Raises UserError."""
    name = name or run.name
    if Path(name).name != name or name.startswith("."):
        raise UserError(f"--name {name}: expected a plain folder name")
    target = out / name
    if target.exists():
        raise UserError(f"{target} exists; remove it, or give another --name")
    with explained(target):
        out.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=out))
        try:
            _fill(work, run, name)
            work.chmod(0o755)
            os.rename(work, target)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return target


def _fill(work: Path, run: Run, name: str) -> None:
    for task in run.tasks.values():
        folder = work / task.name
        folder.mkdir()
        (folder / STORED).write_bytes(pack(task.records))
        (folder / METRICS).write_text(to_json(task.result), "utf-8")
    (work / RUN).write_text(to_json({**run.info, "name": name}), "utf-8")
