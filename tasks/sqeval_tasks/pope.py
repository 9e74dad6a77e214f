"""POPE: does the model see objects that are not there?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sqeval.data.entry import Entry, image_named
from sqeval.data.files import read_lines, require_unique
from sqeval.data.join import STRICT, Allow
from sqeval.data.layout import LINES, Records
from sqeval.data.mirror import Mirror
from sqeval.data.root import DataRoot
from sqeval.metrics import cells, ratio_of_sums
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.scoring import yesno
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score, Size, Task, WantedFile
from sqeval_tasks.pope_files import LLAVA_OFFSETS, read_answers

CATEGORIES = ("random", "popular", "adversarial")
MEASURES = {
    "f1": yesno.f1,
    "accuracy": yesno.accuracy,
    "precision": yesno.precision,
    "recall": yesno.recall,
    "yes_ratio": yesno.yes_ratio,
}
DATA_VERSIONS = {2_910: "2,910 random questions (LLaVA's tables)", 3_000: "3,000 random questions (current)"}


class POPE(Task):
    """Existence questions about COCO images in three categories, which differ in how absent objects were picked.

    Two data versions are around and both are read: 2,910 random questions (LLaVA's tables) or 3,000 (the current one).
    """

    name = "pope"
    version = "1"
    description = "object hallucination: is there a ... in the image? (random, popular, adversarial)"
    citation = "Li et al. 2023, Evaluating Object Hallucination in Large Vision-Language Models, EMNLP"
    primary = "f1_mean"
    measure = "mean F1 of random, popular and adversarial"
    files = (
        *(
            WantedFile(
                f"pope/coco_pope_{category}.json",
                "RUCAIBox/POPE, output/coco",
                records=(Records(LINES, "question_id", prefix=f"{category}/"),),
            )
            for category in CATEGORIES
        ),
        WantedFile("coco/val2014/COCO_val2014_*", "COCO 2014 validation images"),
    )
    splits: ClassVar[Mapping[str, str]] = {
        "random": "3,000 questions on 500 images (2,910 in the version of LLaVA's tables)",
        "popular": "3,000 questions on the same images",
        "adversarial": "3,000 questions on the same images",
    }
    sizes: ClassVar[Mapping[str, Size]] = {
        DATA_VERSIONS[2_910]: Size(8_910, 500),
        DATA_VERSIONS[3_000]: Size(9_000, 500),
    }
    settings = Settings(max_new_tokens=128)

    def samples(self, root: DataRoot) -> list[Sample]:
        return [
            sample
            for category in CATEGORIES
            for sample in _category(root, category, read_lines(root.file(f"pope/coco_pope_{category}.json")))
        ]

    def mirrors(self) -> Mapping[str, Mirror | str]:
        from sqeval_tasks.mirrors.questions import POPE

        return POPE

    def llava_question(self, sample: Sample, position: int) -> Mapping[str, Any]:
        category, number = sample.id.split("/")
        line = {**super().llava_question(sample, position), "question_id": LLAVA_OFFSETS[category] + int(number)}
        return {**line, "category": category}

    def prompt(self, sample: Sample) -> str:
        return f"{sample.question}\nAnswer the question using a single word or phrase."

    def gold(self, sample: Sample) -> str:
        return "Yes" if sample.reference == "yes" else "No"

    def score(self, response: str | None, sample: Sample) -> Score:
        """The official parser calls an empty answer a yes; it is scored so, and shown as unparsed."""
        answer = None if response is None else yesno.parse(response)
        outcome = yesno.outcome(answer, sample.reference)
        parsed = answer if response and response.strip() else None
        return Score(parsed, {count: float(count == outcome) for count in yesno.COUNTS})

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        pooled = [ratio_of_sums(name, records, yesno.COUNTS, f) for name, f in MEASURES.items()]
        named = [record.tags["category"] for record in records]
        there = [category for category in CATEGORIES if category in named] or CATEGORIES
        blocks = yesno.in_block(pooled[0].columns, [there.index(category) for category in named], len(there))
        f1_mean = Metric("f1_mean", pooled[0].ids, pooled[0].clusters, blocks, yesno.mean_f1)
        by_category = [
            ratio_of_sums(f"{name}/category={cell}", members, yesno.COUNTS, f)
            for name, f in MEASURES.items()
            for cell, members in cells(records, "category").items()
        ]
        return [f1_mean, *pooled, *by_category]

    def data_version(self, root: DataRoot, samples: Sequence[Sample]) -> str | None:
        return DATA_VERSIONS.get(sum(sample.tags["category"] == "random" for sample in samples))

    def read_predictions(self, path: Path, samples: Sequence[Sample], allow: Allow = STRICT) -> dict[str, str]:
        """The official files of {question, answer} without ids, and {question_id, text}, with LLaVA's numbers or those
        of a category: one file, or a folder with one a category."""
        return read_answers(path, {category: _ordered(samples, category) for category in CATEGORIES}, allow)


def _category(root: DataRoot, category: str, entries: Sequence[Entry]) -> list[Sample]:
    require_unique(((entry.get("question_id", int), entry) for entry in entries), "question_id")
    return [_sample(root, category, entry) for entry in entries]


def _sample(root: DataRoot, category: str, entry: Entry) -> Sample:
    image = image_named(root, "coco/val2014", entry, "image")
    return Sample(
        id=f"{category}/{entry.get('question_id', int)}",
        image=image,
        question=entry.get("text", str),
        reference=entry.one_of("label", ("yes", "no")),
        cluster=image.key,
        tags={"category": category},
    )


def _ordered(samples: Sequence[Sample], category: str) -> dict[str, str]:
    """Question by id of the samples of one category, in their order."""
    return {sample.id: sample.question for sample in samples if sample.tags["category"] == category}
