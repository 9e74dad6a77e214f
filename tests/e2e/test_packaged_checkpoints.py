"""What is promised of the packaged checkpoints: their size, their lead over both floors, and that they can ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sqeval.data.mini.askable import askable
from sqeval.data.mini.draw import draw
from sqeval.data.mini.splits import evaluation_splits
from sqllava import ask, load
from sqllava.locate import PRETRAINED

BASELINES = Path(__file__).resolve().parents[2] / "results" / "baselines"
FIFTEEN_POINTS = ("gqa", "mmbench", "pope", "vqav2")
TASKS = (*FIFTEEN_POINTS, "coco_caption", "scienceqa")


def primary(run: str, task: str) -> dict[str, Any]:
    """The primary metric of a committed baseline run."""
    metrics = json.loads((BASELINES / run / task / "metrics.json").read_text(encoding="utf-8"))
    value: dict[str, Any] = metrics["metrics"][metrics["primary"]]
    return value


@pytest.mark.parametrize("name", ["mini", "mini-blind"])
def test_a_checkpoint_fits_into_five_megabytes(name: str) -> None:
    assert sum(file.stat().st_size for file in (PRETRAINED / name).iterdir()) <= 5_000_000


@pytest.mark.parametrize("floor", ["mini-blind", "majority"])
@pytest.mark.parametrize("task", TASKS)
def test_the_model_beats_both_floors_beyond_doubt(task: str, floor: str) -> None:
    model, below = primary("mini", task), primary(floor, task)
    assert model["ci95"][0] > below["ci95"][1]
    if task in FIFTEEN_POINTS:
        assert model["value"] - below["value"] >= 0.15


def test_the_suite_is_neither_saturated_nor_hopeless() -> None:
    assert 0.65 <= primary("mini", "vqav2")["value"] <= 0.95


def test_the_model_asks_varied_questions_that_fit_the_image() -> None:
    model, processor = load("mini", device="cpu")
    scenes = evaluation_splits().coco[:100]  # of 20 the share that fits is known to eight points
    asked = [
        [q.question for q in ask(model, processor, Image.fromarray(draw(scene)), n=5, seed=i)]
        for i, scene in enumerate(scenes)
    ]
    possible = [askable(scene) for scene in scenes]
    own = _share_that_fits(asked, possible)
    shuffled = _share_that_fits(asked, possible[1:] + possible[:1])
    assert own > shuffled + 0.15
    assert len({text for texts in asked for text in texts}) > 50


def _share_that_fits(asked: list[list[str]], possible: list[dict[str, Any]]) -> float:
    """Of the questions that presuppose something, how many the suite's generator could ask about the scene."""
    fits = [
        text in here
        for texts, here in zip(asked, possible, strict=True)
        for text in texts
        if not text.startswith(("Is there", "Are there"))
    ]
    return sum(fits) / len(fits)
