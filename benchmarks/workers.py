"""What handing questions to workers costs, and how many answers a second one run scores and writes.

The model answers at once, so that nothing else is left: GQA of the mini suite, every question so often, by one process
and by workers through Ray. Both must leave the same metrics. Then a model that takes a millisecond a question, as 7B
does on an H100, to see what share of its time workers wait.

    python benchmarks/workers.py
    python benchmarks/workers.py --workers 4 --epochs 50
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sqeval.config import RunConfig
from sqeval.evaluation import evaluate
from sqeval.model import Completion, Group, Identity, Model
from sqeval.progress import Progress, Silent
from sqeval.workers.pool import pool


class Clocked:
    """Says yes, and takes so many seconds a question."""

    identity = Identity("clocked", "clocked", checkpoint="none", checkpoint_hash="0" * 64)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        for group in groups:
            if self._seconds:
                time.sleep(self._seconds * len(group.requests))
            for request in group.requests:
                yield Completion(request.task, request.id, "yes")


def load(seconds: float, config: RunConfig, progress: Progress) -> Model:
    return Clocked(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=50, help="how often each of 1,200 questions is asked")
    args = parser.parse_args()
    table = Table("model", "by", "questions", "seconds", "questions/s", "busy", title="GQA of the mini suite")
    same = True
    for name, seconds in (("at once", 0.0), ("1 ms a question", 0.001)):
        metrics = []
        for workers in (1, args.workers):
            with tempfile.TemporaryDirectory() as out:
                found, written = run(seconds, workers, args.epochs, out)
            metrics.append(written)
            busy = found["questions"] * seconds / workers / found["seconds"]
            table.add_row(
                name, f"{workers} worker{'s' if workers > 1 else ', no Ray'}", f"{found['questions']:,}",
                f"{found['seconds']:.1f}", f"{found['questions_per_second']:,.0f}", f"{busy:.0%}" if seconds else "",
            )  # fmt: skip
        same = same and metrics[0] == metrics[1]
    Console().print(table)
    print("metrics are the same" if same else "METRICS DIFFER")
    sys.exit(0 if same else 1)


def run(seconds: float, workers: int, epochs: int, out: str) -> tuple[dict[str, Any], bytes]:
    """Throughput and metrics.json of a run."""
    config = RunConfig(tasks=("gqa",), data="mini", out=out, name="run", epochs=epochs, workers=workers, device="cpu")
    if workers == 1:
        outcome = evaluate(config, model=Clocked(seconds))
    else:
        with pool(config, Silent(), partial(load, seconds)) as model:
            time.sleep(5)  # until all are ready: how long they take to start is not the question
            outcome = evaluate(config, model=model)
    return outcome.run["throughput"], Path(outcome.folder, "gqa", "metrics.json").read_bytes()


if __name__ == "__main__":
    main()
