"""One checkpoint, one set of questions, two harnesses: the same answer and the same score for every sample."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import datasets
import lmms_tables as tables
import pytest

from sqeval.config import resolve
from sqeval.evaluation import evaluate
from sqeval_tasks.lmms.library import tasks_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("lmms_eval") is None, reason="lmms-eval is not installed; `make lmms`"),
]

WRITERS = {"pope": tables.pope, "mme": tables.mme}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    for write in WRITERS.values():
        write(folder)
    return folder


def theirs(data: Path, file: str, out: Path) -> tuple[Path, dict[str, Any]]:
    """lmms-eval's log of samples and its results, from its command line, with our model as its plugin."""
    task = Path(file).stem
    lines = [f"include: {tasks_folder() / file}", f"task: {task}_local", f"dataset_path: {data}"]
    (out / "yaml").mkdir(parents=True)
    (out / "yaml" / f"{task}_local.yaml").write_text("\n".join(lines), "utf-8")
    command = [sys.executable, "-m", "lmms_eval", "--model", "sqllava", "--model_args", "pretrained=mini,device=cpu",
               "--tasks", f"{task}_local", "--include_path", str(out / "yaml"), "--batch_size", "1", "--log_samples",
               "--output_path", str(out / "log")]  # fmt: skip
    done = subprocess.run(command, cwd=out, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{task}_local" in done.stdout
    (samples,), (results,) = ((out / "log").rglob(pattern) for pattern in ("*_samples_*.jsonl", "*_results.json"))
    return samples, json.loads(results.read_text("utf-8"))["results"][f"{task}_local"]


@pytest.mark.parametrize("task", WRITERS)
def test_answers_and_scores_agree_sample_by_sample(task: str, root: Path, tmp_path: Path) -> None:
    log, results = theirs(root / "lmms" / task.upper(), f"{task}/{task}.yaml", tmp_path)
    samples = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    given = {"tasks": f"lmms:{task}", "ckpt": "mini", "device": "cpu", "data": str(root), "out": str(tmp_path / "runs")}
    outcome = evaluate(resolve(given))
    lines = (outcome.folder / f"lmms:{task}" / "samples.jsonl").read_text("utf-8").splitlines()
    ours = {record["id"]: record for record in map(json.loads, lines)}
    assert len(samples) == len(ours) > 10
    for sample in samples:
        record = ours[str(sample["doc_id"])]
        assert record["prompt"] == sample["input"]
        assert record["response"] == sample["filtered_resps"]
        scores = {name: value["score"] for name, value in sample.items() if name.startswith(f"{task}_")}
        assert record["scores"] == scores
    metrics = outcome.metrics[f"lmms:{task}"]["metrics"]
    for name, found in metrics.items():
        scale = 0.01 if task == "mme" else 1.0
        assert found["value"] == pytest.approx(scale * results[f"{name},none"], abs=1e-9)
    given = {**given, "ckpt": str(log), "model": "replay", "name": "log"}
    assert evaluate(resolve(given), kind="score").metrics[f"lmms:{task}"]["metrics"] == metrics


def test_multiple_choice_takes_the_likeliest(tmp_path: Path) -> None:
    """The checkpoint knows the answers: lmms-eval, which takes the smallest value, has to find the right ones."""
    data = tables.seed(tmp_path) / "lmms" / "SEED-Bench"
    table = data / "data" / "test-00000-of-00001.parquet"
    datasets.Dataset.from_parquet(str(table)).select(range(6)).to_parquet(str(table))
    _, results = theirs(data, "seedbench/seedbench_ppl.yaml", tmp_path / "out")
    assert results["acc,none"] == 1
