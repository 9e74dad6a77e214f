"""DeepSpeed's ZeRO 2 and 3 train as one process does: run by `make deepspeed`, on two CPU processes."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import several_processes as several
import torch
from safetensors.torch import load_file

from sqllava import load

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("deepspeed") is None, reason="needs deepspeed: make deepspeed"),
]

RECIPE = """
name: zero
seed: 0
data: mini
save_dtype: float32
log_every: 1
model: {source: checkpoint, checkpoint: mini}
stages:
  - name: self-questioning
    kind: conversations
    data: llava/instruct.json
    template: v1_sq
    sq_r: 0.3
    trained:
      projector: {learning_rate: 1.0e-3}
      language_model: {learning_rate: 1.0e-3, lora: {r: 8, alpha: 16}}
      vision_tower: {learning_rate: 1.0e-4, lora: {r: 8, alpha: 16}}
    gradient_checkpointing: true
    group_by_length: false
    steps: 6
    batch_size: 8
    micro_batch_size: 2
evaluation: {every: 6, tasks: [pope], limit: 10}
"""


def command(root: Path, out: Path) -> list[str]:
    recipe = out.with_suffix(".yaml")
    recipe.write_text(RECIPE, "utf-8")
    return ["train", str(recipe), "--cpu", "--resume", "auto", "--out", str(out), "--set", f"data={root}"]


def spread(stage: int, arguments: list[str], terminate: tuple[int, Path, int] | None = None) -> list[int]:
    script, there = [str(Path(several.__file__).with_name("zero_cpu.py")), str(stage)], {"DS_ACCELERATOR": "cpu"}
    done = several.run(2, arguments, script=script, environment=there, terminate=terminate)
    codes = [one.returncode for one in done]
    assert set(codes) <= {0, 143}, done[0].stderr + done[1].stderr
    return codes


def losses(out: Path) -> list[float]:
    lines = map(json.loads, (out / "train.jsonl").read_text("utf-8").splitlines())
    return [line["loss"] for line in lines if "loss" in line]


def scores(out: Path) -> list[dict[str, float]]:
    lines = map(json.loads, (out / "train.jsonl").read_text("utf-8").splitlines())
    return [line["tasks"] for line in lines if line.get("event") == "evaluation"]


@pytest.fixture(scope="module")
def alone(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "out"
    (done,) = several.run(1, command(root, out))
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("stage", [2, 3])
def test_zero_has_the_losses_and_weights_of_one_process(stage: int, root: Path, alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert spread(stage, command(root, out)) == [0, 0]
    assert losses(out) == pytest.approx(losses(alone), rel=1e-4)
    assert scores(out) == scores(alone)
    found, told = load_file(out / "model.safetensors"), load_file(alone / "model.safetensors")
    assert set(found) == set(told)
    assert max(float((found[name] - told[name]).abs().max()) for name in told) < 1e-3
    load(out, device="cpu")


@pytest.mark.parametrize("stage", [2, 3])
def test_zero_goes_on_where_sigterm_stopped_it(stage: int, root: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert spread(stage, command(root, whole)) == [0, 0]
    arguments = command(root, out)
    assert spread(stage, arguments, terminate=(1, out / "train.jsonl", 2)) == [143, 143]
    assert spread(stage, arguments) == [0, 0]
    assert losses(out) == pytest.approx(losses(whole), rel=1e-6)
    found, told = load_file(out / "model.safetensors"), load_file(whole / "model.safetensors")
    assert all(torch.allclose(found[name], told[name], atol=1e-6) for name in told)
