"""VQAv2: open questions about the COCO pictures, ten annotators each (Goyal et al. 2017)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqeval.data.mini.output import FIRST_IMAGE, INFO, LICENSE, write_json
from sqeval.data.mini.questions import Question, ask
from sqeval.data.mini.rng import Rng
from sqeval.data.mini.scenes import Scene

QUESTIONS = 6
"""Questions a picture."""
ANNOTATORS = 10
AGREEMENT = 0.9
"""Probability that an annotator says the truth."""
QUESTION_TYPES = (
    "are the", "are there", "how many", "is", "is the", "is there", "is there a", "what", "what color is the",
    "where is the",
)  # fmt: skip
"""Those of the 65 official types that fit our phrasings."""


def write_vqav2(root: Path, scenes: Sequence[Scene]) -> None:
    """Write questions and annotations about `scenes`, whose image ids count from `FIRST_IMAGE`."""
    questions: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, scene in enumerate(scenes, FIRST_IMAGE):
        for k, question in enumerate(ask(scene, Rng("vqav2", scene.seed), QUESTIONS)):
            ids = {"image_id": image_id, "question_id": image_id * 1000 + k}
            questions.append({**ids, "question": question.text})
            answers = _answers(question, Rng("annotators", scene.seed, k))
            annotations.append(
                {
                    **ids,
                    "question_type": question_type(question.text),
                    "answer_type": question.answer_type,
                    "multiple_choice_answer": Counter(a["answer"] for a in answers).most_common(1)[0][0],
                    "answers": answers,
                }
            )
    head = {"info": INFO, "license": LICENSE, "data_type": "mscoco", "data_subtype": "val2014"}
    folder = root / "vqav2"
    write_json(
        folder / "v2_OpenEnded_mscoco_val2014_questions.json",
        {**head, "task_type": "Open-Ended", "questions": questions},
    )
    write_json(folder / "v2_mscoco_val2014_annotations.json", {**head, "annotations": annotations})


def question_type(text: str) -> str:
    """The longest official type that the question starts with, in whole words."""
    words = text.lower().split()
    fitting = [t for t in QUESTION_TYPES if words[: len(t.split())] == t.split()]
    return max(fitting, key=len, default="none of the above")


def _answers(question: Question, rng: Rng) -> list[dict[str, Any]]:
    """What ten people say: the truth, or now and then something plausible, and then they are less sure."""
    answers = []
    for answer_id in range(1, ANNOTATORS + 1):
        right = rng.chance(AGREEMENT)
        confidence = rng.weighted(("yes", "maybe", "no"), (9.0, 1.0, 0.0) if right else (4.0, 4.0, 2.0))
        answer = question.answer if right else rng.choice(question.wrong)
        answers.append({"answer": answer, "answer_confidence": confidence, "answer_id": answer_id})
    return answers
