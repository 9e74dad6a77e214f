"""GQA: compositional questions about images, generated from scene graphs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from sqeval.data.entry import Entry, image_named
from sqeval.data.files import read_list, read_table, require_unique
from sqeval.data.join import STRICT, Allow
from sqeval.data.layout import LIST, TABLE, Records
from sqeval.data.mirror import Mirror
from sqeval.data.predictions import read_by_id
from sqeval.data.root import DataRoot
from sqeval.data.splits import Split, all_files, present
from sqeval.metrics import column, means, ratio, ratio_of_sums
from sqeval.model import Settings, Verbatim
from sqeval.records import Record
from sqeval.scoring import gqa
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score, Size, Task, WantedFile

QUESTIONS = "gqa/testdev_balanced_questions.json"
CHOICES = "gqa/testdev_balanced_choices.json"
SCENES = "gqa/testdev_balanced_sceneGraphs.json"
ATTENTIONS = "gqa/testdev_balanced_attentions.json"
SOURCE = "cs.stanford.edu/people/dorarad/gqa, questions 1.2"
IMAGES = WantedFile("gqa/images/*", "cs.stanford.edu/people/dorarad/gqa, images")
TESTDEV = Split(
    "testdev_balanced",
    (
        WantedFile(QUESTIONS, SOURCE, records=(Records(TABLE),)),
        WantedFile(CHOICES, f"{SOURCE}; for validity and plausibility", required=False, records=(Records(TABLE),)),
        WantedFile(
            ATTENTIONS,
            "your model: a list of {questionId, attention}; for grounding",
            required=False,
            records=(Records(LIST, "questionId"),),
        ),
        WantedFile(
            SCENES,
            f"{SOURCE}, scene graphs; for grounding",
            required=False,
            records=(Records(TABLE, of="image"),),
        ),
        IMAGES,
    ),
    "gqa/images",
)
SUBMISSION = Split(
    "submission",
    (
        WantedFile("gqa/submission_all_questions.json", f"{SOURCE} (for the server)", records=(Records(TABLE),)),
        IMAGES,
    ),
    "gqa/images",
    public=False,
)
SPLITS = (TESTDEV, SUBMISSION)


class GQA(Task):
    """The balanced questions of testdev. Unbalanced ones in the file are asked too, but count for consistency only.

    Where they are not there, the questions whose answers the evaluation server alone knows: they have no score.
    """

    name = "gqa"
    version = "2"
    description = "compositional visual questions with exact-match answers"
    citation = "Hudson and Manning 2019, GQA: A New Dataset for Real-World Visual Reasoning, CVPR"
    primary = "accuracy"
    measure = "accuracy by exact match"
    files = all_files(SPLITS)
    splits: ClassVar[Mapping[str, str]] = {
        "testdev_balanced": "12,578 questions on 398 images",
        "submission": "the server's, without answers; read where testdev is not there",
    }
    extras: ClassVar[bool] = True
    """Whether choices, scene graphs and attention maps are used where they are there."""
    selectable = tuple(split.name for split in SPLITS)
    sizes: ClassVar[Mapping[str, Size]] = {"testdev_balanced": Size(12_578, 398)}
    settings = Settings(max_new_tokens=128)
    results: ClassVar[tuple[tuple[str, str], ...]] = (("questionId", "prediction"),)

    def wanted(self, root: DataRoot) -> Sequence[WantedFile]:
        return [wanted for wanted in present(root, SPLITS).files if self.extras or wanted.required]

    def samples(self, root: DataRoot) -> list[Sample]:
        split = present(root, SPLITS)
        if split is SUBMISSION:
            return [_hidden(root, key, entry) for key, entry in read_table(root.file(split.questions)).items()]
        found = root.find(CHOICES) if self.extras else None
        choices = None if found is None else read_table(found)
        questions = read_table(root.file(QUESTIONS))
        samples = [_sample(root, key, question, choices) for key, question in questions.items()]
        if not self.extras or root.find(ATTENTIONS) is None:
            return samples
        attended = _groundings(root, questions)
        return [replace(s, metadata={**s.metadata, "grounding": attended.get(s.id, 0.0)}) for s in samples]

    def mirrors(self) -> Mapping[str, Mirror | str]:
        from sqeval_tasks.mirrors.questions import GQA

        return GQA

    def prompt(self, sample: Sample) -> str:
        return f"{sample.question}\nAnswer the question using a single word or phrase."

    def gold(self, sample: Sample) -> str:
        return "" if sample.reference is None else str(sample.reference["answer"])

    def score(self, response: str | None, sample: Sample) -> Score:
        answer = response if response is None or isinstance(response, Verbatim) else gqa.normalize(response)
        values = {} if sample.reference is None else {"accuracy": float(answer == sample.reference["answer"])}
        for name in ("valid", "plausible"):
            if name in sample.metadata:
                values[name] = float(answer in sample.metadata[name])
        if "grounding" in sample.metadata:
            values["grounding"] = sample.metadata["grounding"]
        return Score(answer if response and response.strip() else None, values)

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        balanced = [record for record in records if record.reference is not None and record.reference["balanced"]]
        accuracy, *breakdown = means(balanced, "accuracy", ["structural", "semantic", "steps", "words"])
        open_ended = [record for record in balanced if record.tags["structural"] == "query"]
        binary = [record for record in balanced if record.tags["structural"] != "query"]
        if not balanced:
            return [accuracy]
        found = [accuracy, column("binary", binary, "accuracy"), column("open", open_ended, "accuracy")]
        found += _consistency(records, balanced)
        for name, score in (("validity", "valid"), ("plausibility", "plausible"), ("grounding", "grounding")):
            if all(score in record.scores for record in balanced):
                found.append(column(name, balanced, score))
        return [*found, *_distribution(balanced), *breakdown]

    def data_version(self, root: DataRoot, samples: Sequence[Sample]) -> str | None:
        split = present(root, SPLITS)
        return None if split.public else split.version

    def read_predictions(self, path: Path, samples: Sequence[Sample], allow: Allow = STRICT) -> dict[str, str]:
        """An id that was written as a number has lost its leading zeros; it gets them back where that is clear."""
        ids = {sample.id for sample in samples}
        short = Counter(key.lstrip("0") for key in ids)
        padded = {key.lstrip("0"): key for key in ids if short[key.lstrip("0")] == 1}

        def rename(key: str) -> str:
            return key if key in ids else padded.get(key, key)

        return read_by_id(path, self.predictions, ids, final=self.results, rename=rename, allow=allow)

    def submission(self, records: Sequence[Record]) -> tuple[str, bytes]:
        """The official result file."""
        rows = [{"questionId": record.id, "prediction": record.parsed or ""} for record in records]
        return ".json", json.dumps(rows).encode()


def _sample(root: DataRoot, key: str, entry: Entry, choices: Mapping[str, Entry] | None) -> Sample:
    image = image_named(root, "gqa/images", entry, "imageId", ".jpg")
    question, types = entry.get("question", str), entry.entry("types")
    reference: dict[str, Any] = {
        "answer": entry.get("answer", str),
        "balanced": entry.get("isBalanced", bool),
        "group": entry.entry("groups").get("global", str, "") or None,
        "entailed": [other for other in entry.strings("entailed") if other != key],
    }
    program = entry.entries("semantic")
    tags = {
        "structural": types.get("structural", str),
        "semantic": types.get("semantic", str),
        "steps": str(gqa.steps((step.get("operation", str), step.get("argument", str)) for step in program)),
        "words": str(len(question.split())),
    }
    metadata: dict[str, frozenset[str]] = {}
    if choices is not None:
        if key not in choices:
            raise entry.error(f"question {key} is not in {CHOICES}")
        detailed = types.get("detailed", str)
        for name in ("valid", "plausible"):
            metadata[name] = gqa.acceptable(choices[key].strings(name), detailed)
    return Sample(key, image, question, reference, image.key, tags, metadata)


def _hidden(root: DataRoot, key: str, entry: Entry) -> Sample:
    image = image_named(root, "gqa/images", entry, "imageId", ".jpg")
    return Sample(key, image, entry.get("question", str), None, image.key)


def _groundings(root: DataRoot, questions: Mapping[str, Entry]) -> dict[str, float]:
    """Grounding of every balanced question; the others are not evaluated, and need no attention map."""
    scenes = read_table(root.file(SCENES))
    keyed = [(entry.get("questionId", str), entry) for entry in read_list(root.file(ATTENTIONS))]
    require_unique(keyed, "questionId")
    maps = dict(keyed)
    found = {}
    for key, question in questions.items():
        if question.get("isBalanced", bool):
            if key not in maps:
                raise question.error(f"question {key} has no attention map in {ATTENTIONS}")
            found[key] = gqa.grounding(_attention(maps[key]), _regions(question, scenes))
    return found


def _attention(entry: Entry) -> list[list[float]]:
    """A square map of numbers."""
    rows = entry.get("attention", list)
    for row in rows:
        if type(row) is not list or len(row) != len(rows) or not all(type(cell) in (int, float) for cell in row):
            raise entry.error("expected a square of numbers", "attention")
    return rows


def _regions(question: Entry, scenes: Mapping[str, Entry]) -> list[gqa.Box]:
    """Boxes of all objects that the question and its full answer point at, in shares of the image."""
    annotations, image = question.entry("annotations"), question.get("imageId", str)
    boxes = []
    for part in (annotations.entry("question"), annotations.entry("fullAnswer")):
        for word in part.value:
            pointer = part.get(word, str)
            if image not in scenes or pointer not in scenes[image].entry("objects").value:
                raise question.error(
                    f"object {pointer} is not in the scene of image {image} in {SCENES}", "annotations"
                )
            scene, thing = scenes[image], scenes[image].entry("objects").entry(pointer)
            width, height = (scene.get(side, int) for side in ("width", "height"))
            x, y, w, h = (thing.get(side, int) for side in "xywh")
            if min(width, height) < 1:
                raise scene.error("expected a width and a height of at least 1", "width")
            boxes.append((x / width, y / height, (x + w) / width, (y + h) / height))
    return boxes


def _consistency(records: Sequence[Record], balanced: Sequence[Record]) -> list[Metric]:
    """Only where every entailed question was asked: testdev's balanced file alone leaves most of them out."""
    correct = {record.id: record.scores["accuracy"] for record in records}
    entailed = {record.id: record.reference["entailed"] for record in balanced}
    if not any(entailed.values()) or any(other not in correct for others in entailed.values() for other in others):
        return []
    values = gqa.consistency(correct, entailed)
    scored = [
        record.with_scores({"consistency": values.get(record.id, 0.0), "counts": float(record.id in values)})
        for record in balanced
    ]
    return [ratio_of_sums("consistency", scored, ["consistency", "counts"], ratio)]


def _distribution(balanced: Sequence[Record]) -> list[Metric]:
    """A unit is an image: counts of thousands of answers would be too wide a row for every question."""
    grouped = [record for record in balanced if record.reference["group"] is not None]
    if not grouped:
        return []
    images, counts, function = gqa.distribution(
        [record.reference["group"] for record in grouped],
        [record.reference["answer"] for record in grouped],
        [record.parsed for record in grouped],
        [record.cluster for record in grouped],
    )
    return [Metric("distribution", images, images, counts, function, higher_is_better=False, scale=1)]
