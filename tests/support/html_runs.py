"""Runs to look at: VQAv2 questions about a few images, answered as a test wishes, by the code that real runs use."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sqeval.config import resolve
from sqeval.evaluation import evaluate
from sqeval.model import Completion, Group, Identity
from sqeval.runs import Run, load_run

HOSTILE = (
    "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>"
    "<!--<svg onload=window.hacked=1>\u202eevil\u2028\x1b[31mred {{ 7*7 }} \"'&amp;"
)
"""What a question or a response may hold, and must stay text."""
KINDS = ("what color is the", "how many", "is the")


@dataclass(frozen=True)
class Saying:
    """A model that answers the question of an id with what `said` tells: text, or None for an error."""

    said: Callable[[str], str | None]
    identity: Identity

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        for request in (request for group in groups for request in group.requests):
            text = self.said(request.id)
            if text is None:
                yield Completion(request.task, request.id, "", "error", error="the image is broken")
            else:
                reason = "length" if text.endswith("…") else "stop"
                yield Completion(request.task, request.id, text, reason)


def vqav2_root(root: Path, images: int, each: int, questions: Mapping[int, str] | None = None) -> Path:
    """A data root with `each` questions about each image; the answer to all of them is red.

    Question ids count from 0, and question i is about image i // each. `questions` replaces texts.
    """
    (root / "coco" / "val2014").mkdir(parents=True)
    (root / "vqav2").mkdir()
    for image in range(images):
        picture = Image.new("RGB", (40, 30), (image * 7 % 256, image * 31 % 256, 90))
        picture.save(root / "coco" / "val2014" / f"COCO_val2014_{image:012}.jpg")
    asked, answers = [], []
    for number in range(images * each):
        place = {"question_id": number, "image_id": number // each}
        asked.append({**place, "question": (questions or {}).get(number, f"What color is thing {number}?")})
        ten = [{"answer": "red", "answer_confidence": "yes", "answer_id": i + 1} for i in range(10)]
        kind = {"question_type": KINDS[number % len(KINDS)], "answer_type": "other"}
        answers.append({**place, **kind, "multiple_choice_answer": "red", "answers": ten})
    files = {
        "v2_OpenEnded_mscoco_val2014_questions": {"questions": asked},
        "v2_mscoco_val2014_annotations": {"annotations": answers},
    }
    for name, content in files.items():
        (root / "vqav2" / f"{name}.json").write_text(json.dumps(content), "utf-8")
    return root


def answered(folder: Path, root: Path, said: Callable[[int], str | None], tasks: str = "vqav2") -> Run:
    """The run in `folder`, of a model that says so."""
    model = Saying(lambda key: said(int(key)), Identity(folder.name, "saying", checkpoint_hash=folder.name))
    given = {"tasks": tasks, "model": "majority", "data": str(root), "out": str(folder.parent), "name": folder.name}
    evaluate(resolve({**given, "max_errors": 10**6}), model=model)
    return load_run(folder)
