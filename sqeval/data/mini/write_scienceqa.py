"""ScienceQA: multiple choice about a picture, about a stated context, or about words alone (Lu et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqeval.data.mini.instruct import CHOICE_FAMILIES, options, text_question
from sqeval.data.mini.output import write_json, write_picture
from sqeval.data.mini.questions import ask
from sqeval.data.mini.rng import Rng
from sqeval.data.mini.scenes import Scene

TEXT_QUESTIONS = 100
"""Test questions without a picture."""
CANDIDATES = 4
"""Questions drawn for a picture, of which the first is taken: a single draw may not fit the scene."""
OTHER_SPLITS = {"train": 20, "val": 10}
"""Small entries, all without a picture, so that the file has every official split."""
CHOICE_WEIGHTS = (1.0, 2.0, 6.0, 0.3)
"""How often a problem has at most 2, 3, 4 or 5 choices."""
CONTEXT = "Context: "
SUBJECTS = {
    "color_of": ("natural science", "color"),
    "shape_of": ("natural science", "shape"),
    "count": ("natural science", "counting"),
    "background": ("natural science", "color"),
    "exist_object": ("natural science", "shape"),
    "place_of": ("social science", "geography"),
    "related_shape": ("social science", "geography"),
    "verify_relation": ("social science", "geography"),
    "text_context": ("natural science", "color"),
    "text_color": ("language science", "vocabulary"),
    "text_shape": ("language science", "vocabulary"),
}
"""Subject and topic of each family."""
SKILLS = {
    "color_of": "Name the color of an object", "shape_of": "Name the shape of an object",
    "count": "Count objects", "background": "Name the color of the background",
    "exist_object": "Find an object", "place_of": "Say where an object is",
    "related_shape": "Follow a direction", "verify_relation": "Check a direction",
    "text_context": "Use a stated fact", "text_color": "Know words for colors", "text_shape": "Know words for shapes",
}  # fmt: skip


def write_scienceqa(root: Path, scenes: Sequence[Scene]) -> None:
    """One question about each of `scenes` in the test split, text questions in all splits, and the pictures."""
    problems: dict[str, dict[str, Any]] = {}
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    images = Rng("scienceqa", "order").shuffled([*scenes, *([None] * TEXT_QUESTIONS)])
    rows: list[tuple[str, Scene | None]] = [("test", scene) for scene in images]
    for split, number in OTHER_SPLITS.items():
        rows += [(split, None)] * number
    for pid, (split, scene) in enumerate(rows, 1):
        problems[str(pid)] = _problem(scene, split, Rng("scienceqa", pid))
        splits[split].append(str(pid))
        if scene is not None:
            write_picture(root / "scienceqa" / "images" / split / str(pid) / "image.png", scene)
    mini = {f"mini{split}": pids[: len(pids) // 2] for split, pids in splits.items()}
    write_json(root / "scienceqa" / "problems.json", problems)
    write_json(root / "scienceqa" / "pid_splits.json", {**splits, "trainval": splits["train"] + splits["val"], **mini})


def _problem(scene: Scene | None, split: str, rng: Rng) -> dict[str, Any]:
    """One problem with the official fields."""
    if scene is None:
        question = text_question(rng)
        hint, text = _context(question.text)
    else:
        question = ask(scene, rng, CANDIDATES, CHOICE_FAMILIES)[0]
        tells = question.family != "background" and rng.chance(0.15)
        hint, text = f"The background is {scene.background}." if tells else "", question.text
    choices, answer = options(question, rng, rng.weighted((2, 3, 4, 5), CHOICE_WEIGHTS))
    subject, topic = SUBJECTS[question.family]
    return {
        "question": text,
        "choices": choices,
        "answer": answer,
        "hint": hint,
        "image": None if scene is None else "image.png",
        "task": "closed choice",
        "grade": f"grade{1 + rng.below(12)}",
        "subject": subject,
        "topic": topic,
        "category": topic.capitalize(),
        "skill": SKILLS[question.family],
        "lecture": "",
        "solution": f"The answer is {question.answer}.",
        "split": split,
    }


def _context(text: str) -> tuple[str, str]:
    """Hint and question of a text question, whose context, if any, stands on a line of its own."""
    if not text.startswith(CONTEXT):
        return "", text
    hint, question = text.removeprefix(CONTEXT).split("\n")
    return hint, question
