"""GQA: compositional questions with programs, entailments, choices and scene graphs (Hudson and Manning 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqeval.data.mini.output import write_json, write_picture
from sqeval.data.mini.questions import FAMILIES, Program, Question, ask
from sqeval.data.mini.rng import Rng
from sqeval.data.mini.scenes import RADIUS, RELATIONS, SIDE, Scene, related
from sqeval.data.mini.semantics import entailments, full_answer, phrases, pointers

QUESTIONS = 12
"""Questions a picture."""
DETAILED = {
    "exist_shape": "exist", "exist_object": "existAttr", "verify_color": "verifyAttr", "verify_relation": "verifyRel",
    "same_color": "twoSame", "color_of": "directOf", "shape_of": "categoryAttr", "size_of": "chooseAttr",
    "choose_color": "chooseAttr", "place_of": "positionQuery", "related_shape": "categoryRelS", "count": "count",
    "background": "background",
}  # fmt: skip
"""Detailed type of each family; logical questions are ``existAnd`` or ``existOr``."""
GLOBAL_GROUP = {
    "color_of": "color", "choose_color": "color", "shape_of": "shape", "related_shape": "shape", "size_of": "size",
    "place_of": "position", "count": "number", "background": "background",
}  # fmt: skip
"""Answer group of the families whose answer is not yes or no."""


def write_gqa(root: Path, scenes: Sequence[Scene]) -> None:
    """Write pictures, questions, choices and scene graphs."""
    entries: dict[str, dict[str, Any]] = {}
    wrong: dict[str, tuple[str, ...]] = {}
    graphs: dict[str, dict[str, Any]] = {}
    for number, scene in enumerate(scenes, 1):
        image = f"n{900_000 + number}"
        write_picture(root / "gqa" / "images" / f"{image}.png", scene)
        graphs[image] = scene_graph(scene)
        questions = ask(scene, Rng("gqa", scene.seed), QUESTIONS)
        ids = [f"{number:05d}{k:02d}" for k in range(len(questions))]
        follows = entailments(questions)
        for k, question in enumerate(questions):
            entailed = [ids[j] for j in follows[k]]
            equivalent = [ids[j] for j in follows[k] if k in follows[j]]
            entries[ids[k]] = {**_entry(question, scene, image), "entailed": entailed, "equivalent": equivalent}
            wrong[ids[k]] = question.wrong
    folder = root / "gqa"
    write_json(folder / "testdev_balanced_questions.json", entries)
    write_json(folder / "testdev_balanced_choices.json", _choices(entries, wrong))
    write_json(folder / "testdev_balanced_sceneGraphs.json", graphs)


def _entry(question: Question, scene: Scene, image: str) -> dict[str, Any]:
    """One question in the official fields; entailments are added by the caller."""
    full = full_answer(question, scene)
    mentioned = question.things[:1] if question.family == "related_shape" else question.things
    answered = question.things[-1:] if question.family in ("shape_of", "related_shape") else ()
    detailed = DETAILED.get(question.family) or f"exist{question.program[-1][0].capitalize()}"
    topic = "-".join(phrases(question)) or "scene"
    return {
        "semantic": [
            {"operation": operation, "dependencies": list(needs), "argument": argument}
            for operation, argument, needs in question.program
        ],
        "question": question.text,
        "imageId": image,
        "isBalanced": True,
        "groups": {
            "global": GLOBAL_GROUP.get(question.family),
            "local": f"{list(FAMILIES).index(question.family):02d}-{topic.replace(' ', '_')}",
        },
        "answer": question.answer,
        "semanticStr": _program_text(question.program),
        "annotations": {
            "answer": {"0": answered[0]} if answered else {},
            "question": pointers(question.text, scene, mentioned),
            "fullAnswer": pointers(full, scene, mentioned),
        },
        "types": {"detailed": detailed, "semantic": question.semantic, "structural": question.structural},
        "fullAnswer": full,
    }


def _program_text(program: Program) -> str:
    """``select: star (1)->query: color [0]``."""
    return "->".join(
        f"{operation}: {argument}" + (f" [{', '.join(map(str, needs))}]" if needs else "")
        for operation, argument, needs in program
    )


def _choices(entries: dict[str, dict[str, Any]], wrong: dict[str, tuple[str, ...]]) -> dict[str, dict[str, list[str]]]:
    """Valid answers are of the right kind; plausible ones are given somewhere to a question of the same local group."""
    given: dict[str, list[str]] = {}
    for entry in entries.values():
        given.setdefault(entry["groups"]["local"], []).append(entry["answer"])
    choices = {}
    for id, entry in entries.items():
        valid = sorted({entry["answer"], *wrong[id]})
        answers = set(given[entry["groups"]["local"]])
        binary = entry["types"]["structural"] in ("verify", "logical", "compare")
        choices[id] = {"valid": valid, "plausible": valid if binary else [v for v in valid if v in answers]}
    return choices


def scene_graph(scene: Scene) -> dict[str, Any]:
    """The scene graph: boxes in pixels, attributes, and every relation that holds. `location` is the background."""
    return {
        "width": SIDE,
        "height": SIDE,
        "location": scene.background,
        "objects": {
            t.id: {
                "name": t.shape,
                "x": t.x - RADIUS[t.size],
                "y": t.y - RADIUS[t.size],
                "w": 2 * RADIUS[t.size],
                "h": 2 * RADIUS[t.size],
                "attributes": [t.color, t.size],
                "relations": [
                    {"name": relation, "object": other.id}
                    for other in scene.things
                    for relation in RELATIONS
                    if related(t, relation, other)
                ],
            }
            for t in scene.things
        },
    }
