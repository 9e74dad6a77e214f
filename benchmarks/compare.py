"""How long a comparison of two full VQAv2 runs takes, and what the same question costs in a plain loop.

Writes two run folders of VQAv2 val's size (214,354 questions about 40,504 images, ten reference answers each), compares
them as `sqeval compare` does, and then as a notebook would: pandas reads both files, and a loop over bootstrap
replicates draws questions and takes the difference of two means.

    python benchmarks/compare.py
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sqeval.errors import EXIT_REGRESSION
from sqeval.records import Record
from sqeval.registry import get_task
from sqeval.rundir import RunFolder
from sqeval.runner import counts
from sqeval.stats import estimate

QUESTIONS, IMAGES = 214_354, 40_504
QUESTION_TYPES = 65
ANSWER_TYPES = ("yes/no", "number", "other")
WORDS = ("yes", "no", "2", "red", "blue", "white", "dog", "left", "tennis", "pizza")
ACCURACIES = (0.0, 0.3, 0.6, 0.9, 1.0)


def records(rng: np.random.Generator, scores: np.ndarray[Any, Any], images: np.ndarray[Any, Any]) -> Iterator[Record]:
    """Records as long as those of a real run."""
    kinds = rng.integers(0, QUESTION_TYPES, len(scores))
    for i, (score, image, kind) in enumerate(zip(scores.tolist(), images.tolist(), kinds.tolist(), strict=True)):
        key = f"coco/val2014/COCO_val2014_{image:012}"
        question = f"What is the colour of thing number {i % 997} beside the tall man?"
        yield Record(
            id=f"{image}{i:06}",
            cluster=key,
            image=key,
            question=question,
            prompt=f"{question}\nAnswer the question using a single word or phrase.",
            response=WORDS[i % 10].capitalize(),
            parsed=WORDS[i % 10],
            reference=[WORDS[(i + k // 4) % 10] for k in range(10)],
            scores={"accuracy": score},
            tags={"answer_type": ANSWER_TYPES[kind % 3], "question_type": f"what kind {kind}"},
            request_hash=f"{i:064x}",
        )


def write(folder: Path, rows: list[Record]) -> None:
    """A complete run folder with one task."""
    task, run = get_task("vqav2"), RunFolder(folder)
    part = run.task(task.name)
    part.path.mkdir(parents=True)
    part.replace(rows)
    metrics = {metric.name: estimate(metric).to_json() for metric in task.metrics(rows)[:1]}
    hashes = {"data": "d", "prompts": "p", "scorer": "s", "checkpoint": folder.name}
    result = {"task": task.name, "version": task.version, "primary": task.primary, "metrics": metrics}
    part.finish({**result, "counts": counts(rows), "hashes": hashes}, None)
    identity = {"name": folder.name, "kind": "benchmark", "checkpoint_hash": folder.name, "sees_images": True}
    about = {"name": folder.name, "status": "complete", "identity": identity, "tasks": {task.name: {}}}
    run.write({**about, "config": {"data": "generated", "limit": None}})


def generate(folder: Path, n: int, images: int) -> None:
    """Two runs that disagree on about 6 % of the questions; the second is a little worse."""
    rng = np.random.default_rng(0)
    clusters = np.sort(rng.integers(0, images, n))
    one = rng.choice(ACCURACIES, n, p=(0.2, 0.05, 0.05, 0.1, 0.6))
    two = np.where(rng.random(n) < 0.06, rng.choice(ACCURACIES, n), one)
    for name, scores in (("one", one), ("two", two)):
        write(folder / name, list(records(np.random.default_rng(1), scores, clusters)))


def loop(folder: Path, replicates: int) -> tuple[float, float]:
    """Difference and its standard error, as a notebook would compute it; questions are drawn, not images."""
    one, two = (pd.read_json(folder / name / "vqav2" / "samples.jsonl", lines=True) for name in ("one", "two"))
    both = one.merge(two, on="id", suffixes=("_one", "_two"))
    gaps = both["scores_two"].map(lambda s: s["accuracy"]) - both["scores_one"].map(lambda s: s["accuracy"])
    drawn = [gaps.sample(frac=1, replace=True, random_state=i).mean() for i in range(replicates)]
    return float(gaps.mean()), float(np.std(drawn, ddof=1))


def compared(folder: Path) -> tuple[float, float, str]:
    """Seconds, seconds of CPU and output of `sqeval compare`, from the start of Python to its end."""
    command = [sys.executable, "-c", "from sqeval.cli.app import main; main()", "compare"]
    before, began = os.times(), time.perf_counter()
    runs = [str(folder / name) for name in ("one", "two")]
    done = subprocess.run([*command, *runs], capture_output=True, text=True, check=False)
    took, after = time.perf_counter() - began, os.times()
    assert done.returncode == EXIT_REGRESSION, done.stderr
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return took, cpu, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--replicates", type=int, default=1000, help="of the plain bootstrap")
    parser.add_argument("--repeat", type=int, default=3, help="the fastest counts")
    parser.add_argument("--folder", type=Path, help="keep the generated runs here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        if not (folder / "two" / "run.json").exists():
            generate(folder, args.questions, args.images)
        seconds, cpu, shown = min(compared(folder) for _ in range(args.repeat))
        print(f"{args.questions:,} questions a side, {args.images:,} images: {seconds:.1f} s ({cpu:.1f} s of CPU)")
        print(shown)
        began = time.perf_counter()
        value, stderr = loop(folder, args.replicates)
        took = time.perf_counter() - began
        print(f"pandas, {args.replicates:,} replicates, questions drawn one by one: {took:.1f} s")
        print(f"  {100 * value:+.2f} ± {100 * stderr:.2f} (no cells, no flips, no clusters)")
        print(f"ratio: {took / seconds:.1f}")


if __name__ == "__main__":
    main()
