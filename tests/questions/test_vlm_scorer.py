"""Tier 2 by a model that is asked which images answer a question."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sqeval.config import resolve
from sqeval.data.images import ImageRef
from sqeval.data.mini import ensure_mini
from sqeval.errors import UserError
from sqeval.model import Identity
from sqeval.models.baselines import Majority
from sqeval.models.loading import load_model
from sqeval.questions.files import Asked, ImageQuestions
from sqeval.questions.scoring import score
from sqeval.questions.table import Setup, build
from sqeval.questions.vlm import PROMPT, Vlm
from sqllava.engine import Group, ScoreRequest

GEN = {"sampling": "iid", "n": 1, "temperature": 1.0, "seed": 0}


def images(n: int) -> list[ImageQuestions]:
    folder = ensure_mini() / "coco" / "val2014"
    paths = sorted(folder.iterdir())[:n]
    return [
        ImageQuestions("r", p.name, (Asked(f"r/{i}", f"What is thing {p.stem} like?"),), {"name": "m"}, GEN, str(p))
        for i, p in enumerate(paths)
    ]


class Knowing:
    """Says yes to the image whose name is in the question, and to others as a coin does."""

    identity = Identity("knowing", "knowing")

    def __init__(self, sure: bool) -> None:
        self._rng, self._sure, self.calls = np.random.default_rng(0), sure, 0

    def generate(self, groups: Sequence[Any]) -> Any:
        yield from ()

    def yes(self, asked: Mapping[ImageRef, Sequence[str]]) -> dict[ImageRef, list[float]]:
        self.calls += sum(map(len, asked.values()))
        return {
            image: [0.9 if self._sure and Path(image.key).stem in text else 0.5 * self._rng.random() for text in texts]
            for image, texts in asked.items()
        }


def test_a_model_that_knows_and_one_that_guesses() -> None:
    asked = images(40)
    knowing = Knowing(sure=True)
    (sure,) = score([asked], Setup(tier=2, k=1, scorer=Vlm(knowing)))
    assert sure.summary.values["gr.rauc"].value == 1
    assert sure.summary.values["gr.relevant"].value == 1
    assert knowing.calls <= 23 * 40
    assert sure.floor is not None
    assert (sure.floor["gr.relevant"].value or 0) < 0.2
    (guess,) = score([asked], Setup(tier=2, k=1, scorer=Vlm(Knowing(sure=False))))
    assert guess.summary.values["gr.rauc"].value == pytest.approx(0.5, abs=0.15)


def test_images_without_a_file_are_left_out() -> None:
    asked = images(33)
    lost = [ImageQuestions("r", "gone", (Asked("r/gone", "?"),), {"name": "m"}, GEN, "nowhere.png"), *asked]
    rows = build(lost, Setup(tier=2, k=1, scorer=Vlm(Knowing(sure=True)))).rows
    assert "gr.rauc" not in rows[0].values
    assert all(row.values["gr.rauc"] == 1 for row in rows[1:])


def test_likelihoods_are_the_engine_s() -> None:
    model: Any = load_model(resolve({"ckpt": "mini", "tasks": "answer", "data": "-"}))
    (one,) = images(1)
    ref = ImageRef(one.image_id, Path(str(one.image)))
    text = PROMPT.format(question="How many objects are there?")
    (value,) = model.yes({ref: [text]})[ref]
    request = ScoreRequest("x", model.engine.prompt(text, image=True), (" Yes", " yes", " No", " no"))
    found = sorted(model.engine.score([Group((request,), ref.open)]), key=lambda scored: scored.continuation)
    p = [math.exp(scored.logprob) for scored in found]
    assert value == pytest.approx((p[0] + p[1]) / sum(p))
    broken = ImageRef("broken", Path("nowhere.png"))
    assert math.isnan(model.yes({broken: [text]})[broken][0])


def test_a_model_without_likelihoods_is_refused() -> None:
    with pytest.raises(UserError, match="gives no likelihoods"):
        Vlm(Majority())
