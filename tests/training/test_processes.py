"""Several processes train as one does: the same losses and weights, one state, one checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import several_processes as several
import torch
from safetensors.torch import load_file
from small_recipe import SMALL, STAGES, small_recipe, steps
from torch import Tensor

from sqllava import load
from sqllava.training.run import train

MIXED = [
    *SMALL,
    *steps(4),
    "stages.tower.micro_batch_size=2",
    "stages.alignment.micro_batch_size=4",
    "stages.self-questioning.micro_batch_size=2",
    "stages.self-questioning.group_by_length=false",
    "stages.self-questioning.trained.language_model.lora={r: 8, alpha: 16}",
    # What is noise in a gradient is noise of this size in a weight, and prototypes are chosen by an argmax: a tower
    # that differs in its last bits would now and then choose another one.
    "stages.tower.trained.vision_tower.learning_rate=1.0e-5",
]
"""All stages, accumulation, batches with and without images, adapters in both transformers, packing."""
WATCHED = "evaluation={every: 4, tasks: [pope], limit: 10}"


def entries(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "train.jsonl").read_text("utf-8").splitlines()]


def logged(out: Path) -> list[dict[str, Any]]:
    return [line for line in entries(out) if "loss" in line]


def assert_same_losses(out: Path, expected: Path, rel: float = 1e-5) -> None:
    found, told = logged(out), logged(expected)
    assert [(line["stage"], line["step"], line["lr"]) for line in found] == [
        (line["stage"], line["step"], line["lr"]) for line in told
    ]
    for name in ("loss", "loss_answer", "loss_question", "loss_grounding", "padding"):
        values = [[line[name] for line in lines if name in line] for lines in (found, told)]
        assert values[0] == pytest.approx(values[1], rel=rel, abs=1e-7), name
    norms = [[line["grad_norm"] for line in lines] for lines in (found, told)]
    assert norms[0] == pytest.approx(norms[1], rel=10 * rel)


def assert_near(out: Path, expected: Path, tolerance: float = 1e-3) -> None:
    """Weights differ less than a share `tolerance` of the way that they came in training, all in all."""
    found, told = weights(out), weights(expected)
    assert set(found) == set(told)
    start = load_file(expected / "stages/1-tower/model.safetensors")
    shared = [name for name in told if name in start]
    apart = sum(float((found[name] - told[name]).square().sum()) for name in shared)
    moved = sum(float((told[name] - start[name]).square().sum()) for name in shared)
    assert apart < tolerance**2 * moved


def weights(out: Path) -> dict[str, Tensor]:
    return load_file(out / "model.safetensors")


@pytest.fixture(scope="module")
def alone(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process."""
    out = tmp_path_factory.mktemp("alone") / "out"
    (done,) = several.run(1, several.command(root, out, [*MIXED, WATCHED]))
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def both(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run of two."""
    out = tmp_path_factory.mktemp("both") / "out"
    done = several.run(2, several.command(root, out, [*MIXED, WATCHED]))
    assert [one.returncode for one in done] == [0, 0], done[0].stderr + done[1].stderr
    assert "4/4" in done[0].stdout + done[0].stderr
    assert "4/4" not in done[1].stdout + done[1].stderr  # one of them shows the progress
    return out


def test_two_processes_have_the_losses_and_weights_of_one(alone: Path, both: Path) -> None:
    assert_same_losses(both, alone)
    assert_near(both, alone)


def test_two_processes_evaluate_as_one(alone: Path, both: Path) -> None:
    told = [[line for line in entries(out) if line.get("event") == "evaluation"] for out in (alone, both)]
    assert [(e["stage"], e["step"]) for e in told[1]] == [(stage, 4) for stage in STAGES[1:]]
    assert [e["tasks"] for e in told[0]] == [e["tasks"] for e in told[1]]
    assert load(both / "best", device="cpu")[0].config == load(alone / "best", device="cpu")[0].config


@pytest.mark.slow
def test_sigterm_of_one_process_stops_both_and_any_number_go_on(root: Path, both: Path, tmp_path: Path) -> None:
    """Two that continue end bit for bit like two that never stopped, one ends close to them."""
    out, other = tmp_path / "out", tmp_path / "other"
    arguments = several.command(root, out, [*MIXED, WATCHED])
    stopped = several.run(2, arguments, terminate=(1, out / "train.jsonl", 15))
    assert [one.returncode for one in stopped] == [143, 143], stopped[0].stderr + stopped[1].stderr
    assert "--resume auto" in stopped[0].stderr
    assert "Traceback" not in stopped[0].stderr + stopped[1].stderr
    (saved,) = (out / "checkpoints").iterdir()
    assert saved.name.startswith("self-questioning-")
    shutil.copytree(out, other)
    done = several.run(2, arguments)
    assert [one.returncode for one in done] == [0, 0], done[0].stderr + done[1].stderr
    assert all(torch.equal(weight, weights(both)[name]) for name, weight in weights(out).items())
    assert [line["loss"] for line in logged(out)] == [line["loss"] for line in logged(both)]
    train(small_recipe(*MIXED, WATCHED, f"data={root}"), root, other, resume=True, quiet=True, cpu=True)
    assert_same_losses(other, both)
    assert_near(other, both)


@pytest.mark.slow
def test_bad_samples_are_counted_over_processes(root: Path, tmp_path: Path) -> None:
    samples = json.loads((root / "llava/instruct.json").read_text("utf-8"))[:16]
    broken = [samples[1]["id"], samples[2]["id"]]
    samples[1]["image"] = samples[2]["image"] = "nowhere.png"
    data = tmp_path / "data"
    (data / "llava").mkdir(parents=True)
    (data / "coco").symlink_to(root / "coco")
    for name in ("regions.json", "alignment.json"):
        (data / "llava" / name).symlink_to(root / "llava" / name)
    (data / "llava/instruct.json").write_text(json.dumps(samples), encoding="utf-8")
    settings = [
        *SMALL,
        *steps(1),
        "stages.answering.data=llava/alignment.json",  # in which nothing is broken
        "stages.self-questioning.steps=4",  # two epochs, each with both of them
        "stages.self-questioning.group_by_length=false",
        "bad_samples=3",
    ]
    out = tmp_path / "out"
    failed = several.run(2, several.command(data, out, settings))
    assert [one.returncode for one in failed] == [2, 2], failed[0].stderr + failed[1].stderr
    assert "4 samples with missing or broken images" in failed[0].stderr
    told = [line["message"] for line in entries(out) if line.get("event") == "bad sample"]
    assert len(told) == 4
    assert all(sum(repr(one) in message for message in told) == 2 for one in broken)


@pytest.mark.slow
def test_fsdp_has_the_losses_and_weights_of_one_process(root: Path, alone: Path, tmp_path: Path) -> None:
    """Weights, gradients and moments spread over two processes; checkpoints have them whole, adapters merged."""
    out = tmp_path / "out"
    done = several.run(2, several.command(root, out, [*MIXED, WATCHED]), script=[several.SHARDED])
    assert [one.returncode for one in done] == [0, 0], done[0].stderr + done[1].stderr
    assert_same_losses(out, alone)
    assert_near(out, alone)
    scores = [[e["tasks"] for e in entries(run) if e.get("event") == "evaluation"] for run in (out, alone)]
    assert scores[0] == scores[1]
    load(out, device="cpu")


@pytest.mark.slow
def test_fsdp_in_bfloat16_has_the_losses_of_one_process(root: Path, tmp_path: Path) -> None:
    """Frozen weights in bfloat16 beside learning ones in float32, layers computed again, units that a stage leaves out;
    and steps of several micro-batches."""
    settings = [
        *(setting for setting in MIXED if "steps" not in setting),
        *steps(2),
        "stages.self-questioning.gradient_checkpointing=true",
        "precision=bf16",
    ]
    alone, spread = tmp_path / "alone", tmp_path / "spread"
    train(small_recipe(*settings, f"data={root}"), root, alone, quiet=True, cpu=True)
    done = several.run(2, several.command(root, spread, settings), script=[several.SHARDED])
    assert [one.returncode for one in done] == [0, 0], done[0].stderr + done[1].stderr
    assert_same_losses(spread, alone, rel=2e-3)
