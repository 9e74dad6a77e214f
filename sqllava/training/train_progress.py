"""What a training run shows and writes while it goes: a progress bar, and one JSON line per logged step."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqllava.training.recipe import Recipe
from sqllava.training.train import Log


@contextmanager
def training_log(path: Path, recipe: Recipe) -> Iterator[Log]:
    """A `Log` that appends to `path`, flushed line by line, and draws a bar a stage where stderr is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:>18}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
               TextColumn("loss {task.fields[loss]}"), TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
    started = time.monotonic()
    with (
        path.open("w", encoding="utf-8") as stream,
        Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress,
    ):
        bars = {s.name: progress.add_task(s.name, total=s.steps, loss="-", start=False) for s in recipe.stages}

        def log(entry: dict[str, Any]) -> None:
            stream.write(json.dumps({**entry, "seconds": round(time.monotonic() - started, 1)}) + "\n")
            stream.flush()
            bar = bars[entry["stage"]]
            progress.start_task(bar)
            progress.update(bar, completed=entry["step"], loss=entry["loss"])

        yield log
