"""What could be asked about a scene: the truth that self-asked questions are held against."""

from __future__ import annotations

from sqeval.data.mini.questions import FAMILIES, Question
from sqeval.data.mini.rng import Rng
from sqeval.data.mini.scenes import Scene

DRAWS = 400
"""Draws a family; a scene has at most some hundred different questions of one family."""


def askable(scene: Scene) -> dict[str, Question]:
    """Every question (by its text) that the suite's own generator asks about a scene, as far as it is ever drawn.

    A question that presupposes something (`What color is the star?`) is among them only if the presupposition holds:
    exactly one star. Questions of existence presuppose nothing, so some of their texts may be missing here.
    """
    rng = Rng("askable", scene.seed)
    found = (family(scene, rng) for family, _ in FAMILIES.values() for _ in range(DRAWS))
    return {question.text: question for question in found if question is not None}
