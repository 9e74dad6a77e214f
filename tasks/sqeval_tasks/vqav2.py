"""VQAv2: open-ended questions about COCO images, ten human answers each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqeval.data.collection import paused
from sqeval.data.entry import Entry
from sqeval.data.files import read_object, require_unique
from sqeval.data.images import ImageRef
from sqeval.data.root import DataRoot
from sqeval.metrics import means
from sqeval.model import Settings, Verbatim
from sqeval.records import Record
from sqeval.scoring import vqa
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score, Task, WantedFile

QUESTIONS = "vqav2/v2_OpenEnded_mscoco_val2014_questions.json"
ANNOTATIONS = "vqav2/v2_mscoco_val2014_annotations.json"
SOURCE = "visualqa.org, VQA v2.0"


class VQAv2(Task):
    """The validation split, whose answers are public; test-dev and test need the evaluation server."""

    name = "vqav2"
    version = "2"
    description = "open-ended visual question answering, scored by agreement with ten people"
    citation = "Goyal et al. 2017, Making the V in VQA Matter, CVPR"
    primary = "accuracy"
    files = (
        WantedFile(QUESTIONS, SOURCE),
        WantedFile(ANNOTATIONS, SOURCE),
        WantedFile("coco/val2014/COCO_val2014_*", "COCO 2014 validation images"),
    )
    splits: ClassVar[Mapping[str, str]] = {"val": "214,354 questions on 40,504 images"}
    settings = Settings(max_new_tokens=128)
    results = (("question_id", "answer"),)

    @paused()
    def samples(self, root: DataRoot) -> list[Sample]:
        questions = _by_id(read_object(root.file(QUESTIONS)).entries("questions"))
        annotations = _by_id(read_object(root.file(ANNOTATIONS)).entries("annotations"))
        for key in questions.keys() - annotations.keys():
            raise questions[key].error(f"question {key} has no annotation in {ANNOTATIONS}", "question_id")
        images: dict[int, ImageRef] = {}
        return [_sample(root, images, questions.get(key), annotation) for key, annotation in annotations.items()]

    def prompt(self, sample: Sample) -> str:
        return f"{sample.question}\nAnswer the question using a single word or phrase."

    def gold(self, sample: Sample) -> str:
        return vqa.best_answer(sample.reference)

    def score(self, response: str | None, sample: Sample) -> Score:
        """What is parsed is the answer to submit. An empty one is shown as unparsed and scored as the official code
        does: it may agree with somebody."""
        if response is None:
            return Score(None, {"accuracy": 0.0})
        answer = response if isinstance(response, Verbatim) else vqa.submitted(response)
        return Score(answer if answer.strip() else None, {"accuracy": vqa.accuracy(answer, sample.reference)})

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        return means(records, "accuracy", ["answer_type", "question_type"])

    def submission(self, records: Sequence[Record]) -> tuple[str, bytes]:
        """The official result file: the evaluator gives for it the accuracy that these records have."""
        rows = [{"question_id": int(record.id), "answer": record.parsed or ""} for record in records]
        return ".json", json.dumps(rows).encode()


def _by_id(entries: Sequence[Entry]) -> dict[int, Entry]:
    keyed = [(entry.get("question_id", int), entry) for entry in entries]
    require_unique(keyed, "question_id")
    return dict(keyed)


def _sample(root: DataRoot, images: dict[int, ImageRef], question: Entry | None, annotation: Entry) -> Sample:
    key = annotation.get("question_id", int)
    if question is None:
        raise annotation.error(f"annotation of question {key}, which is not in {QUESTIONS}", "question_id")
    number = question.get("image_id", int)
    if annotation.get("image_id", int) != number:
        raise annotation.error(f"expected image {number} as in {QUESTIONS}", "image_id")
    if number not in images:
        images[number] = root.image(f"coco/val2014/COCO_val2014_{number:012d}.jpg")
    return Sample(
        id=str(key),
        image=images[number],
        question=question.get("question", str),
        reference=_answers(annotation),
        cluster=images[number].key,
        tags={
            "answer_type": annotation.get("answer_type", str),
            "question_type": annotation.get("question_type", str),
        },
    )


def _answers(annotation: Entry) -> list[str]:
    """The annotators' answers. Their ids must differ, because the official code tells annotators apart by them."""
    answers = annotation.column("answers", "answer", str)
    ids = annotation.column("answers", "answer_id", int)
    if not answers or len(set(ids)) < len(ids):
        raise annotation.error("expected answers with different answer_id", "answers")
    return answers
