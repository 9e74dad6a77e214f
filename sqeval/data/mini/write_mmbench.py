"""MMBench: multiple choice asked once for every rotation of the options (Liu et al. 2023)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from sqeval.data.mini.draw import draw, png
from sqeval.data.mini.instruct import CHOICE_FAMILIES, options
from sqeval.data.mini.output import write_bytes
from sqeval.data.mini.questions import Question, ask
from sqeval.data.mini.rng import Rng
from sqeval.data.mini.scenes import Scene

QUESTIONS = 2
"""Questions a picture."""
OPTION_WEIGHTS = (1.0, 1.0, 6.0)
"""How often a question has at most 2, 3 or 4 options."""
PASS = 1_000_000
"""Index of a rotation: that of the question plus so much a pass."""
COLUMNS = (
    "index", "question", "hint", "A", "B", "C", "D", "answer", "category", "image", "source", "l2-category", "comment",
    "split",
)  # fmt: skip
INSTANCE, CROSS = "finegrained_perception (instance-level)", "finegrained_perception (cross-instance)"
ABILITIES = {
    "color_of": ("attribute_recognition", INSTANCE),
    "shape_of": ("attribute_recognition", INSTANCE),
    "place_of": ("object_localization", INSTANCE),
    "count": ("object_localization", INSTANCE),
    "exist_object": ("object_localization", INSTANCE),
    "related_shape": ("spatial_relationship", CROSS),
    "verify_relation": ("spatial_relationship", CROSS),
    "background": ("image_scene", "coarse_perception"),
}
"""L3 and L2 ability of each family, by MMBench's names."""


def write_mmbench(root: Path, scenes: Sequence[Scene]) -> None:
    """Write the TSV: every question as it stands, then the further rotations, which name the row with their picture."""
    passes: list[list[dict[str, str]]] = [[], [], [], []]
    index = 0
    for scene in scenes:
        picture = base64.b64encode(png(draw(scene))).decode()
        rng = Rng("mmbench", scene.seed)
        for question in _balanced(scene, rng):
            index += 1
            for k, row in enumerate(_rotations(question, scene, rng)):
                passes[k].append({**row, "index": str(index + k * PASS), "image": str(index) if k else picture})
    rows = ["\t".join(COLUMNS), *("\t".join(row[c] for c in COLUMNS) for rows in passes for row in rows)]
    write_bytes(root / "mmbench" / "mmbench_dev_mini.tsv", ("\n".join(rows) + "\n").encode())


def _balanced(scene: Scene, rng: Rng) -> list[Question]:
    """The questions about one picture. Most counts are 1; four in five of those are passed over.

    Asked as they are drawn, a model that never looks would answer 1 and be right in every rotation.
    """
    drawn = ask(scene, rng, 3 * QUESTIONS, CHOICE_FAMILIES)
    return [q for q in drawn if (q.family, q.answer) != ("count", "1") or rng.chance(0.2)][:QUESTIONS]


def _rotations(question: Question, scene: Scene, rng: Rng) -> list[dict[str, str]]:
    """The question once for every option in first place; in pass k the options have moved k places to the left."""
    texts, right = options(question, rng, rng.weighted((2, 3, 4), OPTION_WEIGHTS))
    ability, group = ABILITIES[question.family]
    tells = question.family != "background" and rng.chance(0.15)
    rows = []
    for k in range(len(texts)):
        moved = texts[k:] + texts[:k]
        rows.append(
            {
                "question": question.text,
                "hint": f"The background is {scene.background}." if tells else "",
                **{letter: moved[i] if i < len(moved) else "" for i, letter in enumerate("ABCD")},
                "answer": "ABCD"[(right - k) % len(texts)],
                "category": ability,
                "source": "mini",
                "l2-category": group,
                "comment": "",
                "split": "dev",
            }
        )
    return rows
