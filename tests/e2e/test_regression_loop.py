"""The gate for real: the packaged checkpoint passes against its committed baseline, a damaged one does not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sqllava.checkpoints import PRETRAINED

BASELINES = Path(__file__).resolve().parents[2] / "results" / "baselines"
TASKS = "gqa,pope"
NOISE = 0.5
"""Standard deviation of the damage, as a share of each weight matrix's own."""


def sqeval(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("sqeval")), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder that holds the committed baselines and nothing else."""
    folder = tmp_path_factory.mktemp("loop") / "results"
    shutil.copytree(BASELINES, folder / "baselines")
    return folder


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged checkpoint with noise in the language model's attention."""
    folder = tmp_path_factory.mktemp("damaged") / "checkpoint"
    shutil.copytree(PRETRAINED / "mini", folder)
    weights = load_file(folder / "model.safetensors")
    generator = torch.Generator().manual_seed(0)
    for name, weight in weights.items():
        if "language_model" in name and "self_attn" in name:
            noise = torch.randn(weight.shape, generator=generator) * weight.float().std() * NOISE
            weights[name] = (weight.float() + noise).to(weight.dtype)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def compare(results: Path, run: str, tmp_path: Path) -> tuple[int, dict[str, str], str]:
    """Exit code, verdict by task and what was printed."""
    report = tmp_path / "comparison.json"
    done = sqeval("compare", results / "baselines" / "mini", results / run, "--json", report)
    (comparison,) = json.loads(report.read_text(encoding="utf-8"))["candidates"]
    return done.returncode, {row["task"]: row["verdict"] for row in comparison["tasks"]}, done.stdout


def test_the_checkpoint_passes_against_its_baseline(results: Path, tmp_path: Path) -> None:
    done = sqeval("run", "--tasks", TASKS, "--ckpt", "mini", "--data", "mini", "--out", results, "--name", "same")
    assert done.returncode == 0, done.stderr
    code, verdicts, printed = compare(results, "same", tmp_path)
    assert code == 0, printed
    assert verdicts == {"gqa": "pass", "pope": "pass"}


def test_a_damaged_checkpoint_is_a_regression(results: Path, damaged: Path, tmp_path: Path) -> None:
    done = sqeval("run", "--tasks", TASKS, "--ckpt", damaged, "--data", "mini", "--out", results, "--name", "damaged")
    assert done.returncode == 0, done.stderr
    code, verdicts, printed = compare(results, "damaged", tmp_path)
    assert code == 3, printed
    assert "regression" in verdicts.values()
