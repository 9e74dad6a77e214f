"""What sharing prefixes makes of `sqeval run`, from typing the command to its end.

The same command on the mini suite, all tasks, each time in a process of its own: with the shared-prefix engine, and
with `--engine rows`, which asks each question alone. Both must give the same answers.

    python benchmarks/end_to_end.py
    python benchmarks/end_to_end.py --limit 100 --ckpt mini
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ENGINES = {"shared": "auto", "rows": "rows"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt", default="mini")
    parser.add_argument("--data", default="mini")
    parser.add_argument("--tasks", default="all")
    parser.add_argument("--limit", type=int, help="at least so many questions a task; otherwise all")
    parser.add_argument("--repeats", type=int, default=2, help="runs of each; the fastest counts")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as out:
        measured: dict[str, list[dict[str, Any]]] = {name: [] for name in ENGINES}
        for number in range(args.repeats):
            for name, engine in ENGINES.items():  # in turns, so that a machine's moods meet both
                measured[name].append(run(args, engine, Path(out), f"{name}{number}"))
        same = answers(Path(out, "shared0")) == answers(Path(out, "rows0"))
    best = {name: min(runs, key=lambda run: float(run["wall"])) for name, runs in measured.items()}

    table = Table(title=f"sqeval run --ckpt {args.ckpt} --data {args.data} --tasks {args.tasks}, whole process")
    for heading in ("", "questions", "seconds", "q/s", "q/s while asking", "outside the model", "tokens shared"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, found in best.items():
        model = found["busy"] * found["seconds"]
        table.add_row(
            name,
            f"{found['questions']:,}",
            f"{found['wall']:.1f}",
            f"{found['questions'] / found['wall']:,.1f}",
            f"{found['questions_per_second']:,.1f}",
            f"{1 - model / found['wall']:.0%}",
            f"{found['saved_tokens'] / found['prompt_tokens']:.0%}",
        )
    Console().print(table)
    shared, rows = best["shared"], best["rows"]
    print(f"whole process: {rows['wall'] / shared['wall']:.1f} times as fast")
    print(f"while asking: {shared['questions_per_second'] / rows['questions_per_second']:.1f} times as fast")
    print("answers are the same" if same else "ANSWERS DIFFER")
    sys.exit(0 if same else 1)


def run(args: argparse.Namespace, engine: str, out: Path, name: str) -> dict[str, Any]:
    """The run's throughput, and with `wall` the seconds of its process."""
    command = [sys.executable, "-c", "from sqeval.cli.app import main; main()", "run", "--tasks", args.tasks]
    command += ["--ckpt", args.ckpt, "--data", args.data, "--out", str(out), "--name", name, "--engine", engine]
    command += [] if args.limit is None else ["--limit", str(args.limit)]
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall = time.monotonic() - began
    throughput: dict[str, Any] = json.loads((out / name / "run.json").read_bytes())["throughput"]
    return throughput | {"wall": wall}


def answers(run: Path) -> dict[str, bytes]:
    """All samples of a run, by task."""
    return {file.parent.name: file.read_bytes() for file in run.glob("*/samples.jsonl")}


if __name__ == "__main__":
    main()
