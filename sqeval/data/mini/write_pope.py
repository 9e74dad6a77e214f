"""POPE: is there such a shape? Three present and three absent ones a picture (Li et al. 2023).

The three files share their positives and differ in how the absent shapes are chosen: at random, the most frequent of
all pictures, or those that most often accompany what the picture shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from sqeval.data.mini.output import FIRST_IMAGE, coco_name, write_lines
from sqeval.data.mini.rng import Rng
from sqeval.data.mini.scenes import SHAPES, Scene
from sqeval.data.mini.splits import POPE_SHAPES, shapes

Order = Callable[[Scene], list[str]]
"""All shapes in the order in which they are tried as negatives."""


def write_pope(root: Path, scenes: Sequence[Scene]) -> None:
    """Write the three files about those of the COCO `scenes` that have enough shapes."""
    frequency = Counter(shape for scene in scenes for shape in shapes(scene))
    together = Counter((a, b) for scene in scenes for a in shapes(scene) for b in shapes(scene))
    orders: dict[str, Order] = {
        "random": lambda scene: Rng("pope", "random", scene.seed).shuffled(SHAPES),
        "popular": lambda scene: sorted(SHAPES, key=lambda s: -frequency[s]),
        "adversarial": lambda scene: sorted(
            SHAPES, key=lambda s: -sum(together[s, present] for present in shapes(scene))
        ),
    }
    for category, order in orders.items():
        write_lines(root / "pope" / f"coco_pope_{category}.json", _rows(scenes, order))


def _rows(scenes: Sequence[Scene], order: Order) -> list[dict[str, int | str]]:
    """Questions of one file: present and absent shapes alternate."""
    rows: list[dict[str, int | str]] = []
    for image_id, scene in enumerate(scenes, FIRST_IMAGE):
        if len(shapes(scene)) < POPE_SHAPES:
            continue
        present = Rng("pope", "present", scene.seed).sample(sorted(shapes(scene)), POPE_SHAPES)
        absent = [s for s in order(scene) if s not in shapes(scene)][:POPE_SHAPES]
        for pair in zip(present, absent, strict=True):
            for shape, label in zip(pair, ("yes", "no"), strict=True):
                text = f"Is there a {shape} in the image?"
                rows.append({"question_id": len(rows) + 1, "image": coco_name(image_id), "text": text, "label": label})
    return rows
