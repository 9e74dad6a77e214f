"""The regression loop for real: the packaged checkpoint passes against its baseline, a damaged one does not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BASELINE = Path(__file__).resolve().parents[2] / "results" / "baselines" / "mini"
TASKS = ("gqa", "pope", "vqav2")
NOISE = 0.3
"""Standard deviation of the damage, in units of each tensor's own."""


def sqeval(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("sqeval")), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def compared(folder: Path, checkpoint: str) -> tuple[int, dict[str, str]]:
    """Exit code of the comparison of `checkpoint` with the committed baseline, and the verdict on each task."""
    run = ("run", "--tasks", ",".join(TASKS), "--ckpt", checkpoint, "--data", "mini", "--limit", "300", "--name", "new")
    done = sqeval(folder, *run)
    assert done.returncode == 0, done.stderr
    done = sqeval(folder, "compare", str(BASELINE), "results/new", "--json", "comparison.json")
    [comparison] = json.loads((folder / "comparison.json").read_text("utf-8"))["comparisons"]
    return done.returncode, {task["task"]: task["verdict"] for task in comparison["tasks"] if task["task"] in TASKS}


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """The packaged checkpoint with noise in the language model's weights."""
    import torch
    from safetensors.torch import load_file, save_file

    from sqllava.checkpoints import resolve

    copy = tmp_path / "damaged"
    shutil.copytree(resolve("mini"), copy)
    weights = load_file(copy / "model.safetensors")
    generator = torch.Generator().manual_seed(0)
    for name, tensor in weights.items():
        if "language_model" in name and tensor.ndim == 2:
            noise = torch.randn(tensor.shape, generator=generator) * tensor.float().std() * NOISE
            weights[name] = (tensor.float() + noise).to(tensor.dtype)
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def test_the_packaged_checkpoint_passes(tmp_path: Path) -> None:
    code, verdicts = compared(tmp_path, "mini")
    assert code == 0
    assert set(verdicts) == set(TASKS)
    assert "regression" not in verdicts.values()


def test_a_damaged_checkpoint_is_a_regression(tmp_path: Path, damaged: Path) -> None:
    code, verdicts = compared(tmp_path, str(damaged))
    assert code == 3
    assert "regression" in verdicts.values()


def test_the_committed_leaderboard_is_the_one_of_the_baselines() -> None:
    board = sqeval(BASELINE.parent.parent.parent, "leaderboard", "results/baselines", "--format", "md")
    assert board.returncode == 0, board.stderr
    assert board.stdout == (BASELINE.parent.parent / "LEADERBOARD.md").read_text("utf-8")


def test_the_readme_shows_the_committed_leaderboard() -> None:
    results = BASELINE.parent.parent
    table = [line for line in (results / "LEADERBOARD.md").read_text("utf-8").splitlines() if line.startswith("|")]
    assert "\n".join(table) in (results.parent / "README.md").read_text("utf-8")
