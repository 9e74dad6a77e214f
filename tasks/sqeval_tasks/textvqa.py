"""TextVQA: questions whose answers are written in the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sqeval.data.entry import Entry, image_named
from sqeval.data.files import read_object, require_unique
from sqeval.data.join import STRICT, Allow
from sqeval.data.layout import Records
from sqeval.data.mirror import Mirror
from sqeval.data.predictions import read_by_id, read_by_question
from sqeval.data.root import DataRoot
from sqeval.data.splits import Split, all_files, present
from sqeval.data.submission import answers_file
from sqeval.metrics import means
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.scoring import vqa
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score, Size, Task, WantedFile

SOURCE = "textvqa.org/dataset"
ANNOTATORS = 10
SPLITS = tuple(
    Split(
        name,
        (
            WantedFile(
                f"textvqa/TextVQA_0.5.1_{name}.json",
                f"{SOURCE} (for {name})",
                records=(Records("data", "question_id"),),
            ),
            WantedFile(
                f"textvqa/TextVQA_Rosetta_OCR_v0.2_{name}.json",
                f"{SOURCE}, OCR tokens (for {name})",
                records=(Records("data", "image_id", of="image"),),
            ),
            WantedFile(f"textvqa/{images}/*", f"{SOURCE}, {comment}"),
        ),
        f"textvqa/{images}",
        public=name == "val",
    )
    for name, images, comment in (
        ("val", "train_images", "training and validation images"),
        ("test", "test_images", "test images"),
    )
)


class TextVQA(Task):
    """The validation split or, where it is not there, the test split, whose answers only the server knows.

    The OCR tokens of the benchmark's authors (Rosetta) are part of LLaVA-1.5's prompt, without which its published
    scores cannot be reached: `sqeval run` insists on them. Answers that exist already can be scored without.
    """

    name = "textvqa"
    version = "1"
    description = "questions about text in pictures, asked with the OCR tokens as LLaVA-1.5 does"
    citation = "Singh et al. 2019, Towards VQA Models That Can Read, CVPR"
    primary = "accuracy"
    measure = "VQA accuracy by M4C's rules"
    files = all_files(SPLITS)
    splits: ClassVar[Mapping[str, str]] = {
        "val": "5,000 questions on 3,166 images",
        "test": "5,734 questions, without answers; read where val is not there",
    }
    selectable = tuple(split.name for split in SPLITS)
    sizes: ClassVar[Mapping[str, Size]] = {"val": Size(5_000, 3_166), "test": Size(5_734)}
    settings = Settings(max_new_tokens=128)
    predictions = (("question_id", "text"), ("question_id", "answer"))

    def wanted(self, root: DataRoot) -> Sequence[WantedFile]:
        return present(root, SPLITS).files

    def samples(self, root: DataRoot) -> list[Sample]:
        split = present(root, SPLITS)
        entries = read_object(root.file(split.questions)).entries("data")
        require_unique(((entry.get("question_id", int), entry) for entry in entries), "question_id")
        ocr = _ocr(root, split)
        return [_sample(root, split, entry, ocr) for entry in entries]

    def mirrors(self) -> Mapping[str, Mirror | str]:
        from sqeval_tasks.mirrors.vqa import TEXTVQA

        return TEXTVQA

    def llava_question(self, sample: Sample, position: int) -> Mapping[str, Any]:
        """Its number is the image's; several questions may have the same."""
        return {**super().llava_question(sample, position), "question_id": sample.metadata["image_id"]}

    def prompt(self, sample: Sample) -> str:
        """LLaVA's: the first letter is a capital, and no other is; the line of tokens is there even if none are."""
        ocr = sample.metadata["ocr"]
        tokens = "" if ocr is None else f"\nReference OCR token: {', '.join(ocr)}"
        return f"{sample.question.capitalize()}{tokens}\nAnswer the question using a single word or phrase."

    def gold(self, sample: Sample) -> str:
        if sample.reference is None:
            return ""
        answers: list[str] = sample.reference
        return max(dict.fromkeys(answers), key=lambda answer: vqa.submitted_accuracy(answer, answers))

    def score(self, response: str | None, sample: Sample) -> Score:
        """The evaluator processes responses and final answers alike. An empty one agrees with people of whose answer
        nothing is left, as of the article "a"."""
        parsed = None if response is None else vqa.submitted(response) or None
        if sample.reference is None:
            return Score(parsed, {})
        accuracy = 0.0 if response is None else vqa.submitted_accuracy(response, sample.reference)
        return Score(parsed, {"accuracy": accuracy})

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        return means([record for record in records if record.reference is not None], "accuracy")

    def data_version(self, root: DataRoot, samples: Sequence[Sample]) -> str:
        split = present(root, SPLITS)
        return f"{split.version}, {'with' if root.find(split.files[1].path) else 'without'} OCR tokens"

    def read_predictions(self, path: Path, samples: Sequence[Sample], allow: Allow = STRICT) -> dict[str, str]:
        """In LLaVA's answer file the number is the image's: its prompt tells the question."""
        keys = {sample.id: (sample.metadata["image_id"], sample.question.lower()) for sample in samples}
        found = read_by_question(path, keys, ("question_id", "prompt", "text"), _asked, allow)
        if found is not None:
            return found
        return read_by_id(path, self.predictions, set(keys), allow=allow)

    def submission(self, records: Sequence[Record]) -> tuple[str, bytes]:
        """The official result file. It holds the responses: the evaluator processes them, and twice is once too
        often."""
        answers = {record.id: record.response or "" for record in records}
        return answers_file(answers, "question_id", number=True)


def _ocr(root: DataRoot, split: Split) -> dict[str, list[str]] | None:
    """Tokens by image; None if the file is not there."""
    path = root.find(split.files[1].path)
    if path is None:
        return None
    keyed = [(entry.get("image_id", str), entry) for entry in read_object(path).entries("data")]
    require_unique(keyed, "image_id")
    return {key: entry.strings("ocr_tokens") for key, entry in keyed}


def _sample(root: DataRoot, split: Split, entry: Entry, ocr: Mapping[str, list[str]] | None) -> Sample:
    image, name = image_named(root, split.images, entry, "image_id", ".jpg"), entry.get("image_id", str)
    if ocr is not None and name not in ocr:
        raise entry.error(f"image {name} has no OCR tokens in {split.files[1].path}", "image_id")
    answers = entry.strings("answers") if split.public else None
    if answers is not None and len(answers) != ANNOTATORS:
        raise entry.error(f"expected {ANNOTATORS} answers, found {len(answers)}", "answers")
    return Sample(
        id=str(entry.get("question_id", int)),
        image=image,
        question=entry.get("question", str),
        reference=answers,
        cluster=image.key,
        metadata={"image_id": name, "ocr": None if ocr is None else ocr[name]},
    )


def _asked(prompt: str) -> str:
    """The question of a prompt, as LLaVA's evaluation finds it: the first line, unless that has the tokens; in the
    form of before version 1.5, what stands between two words."""
    if prompt.startswith("OCR tokens: ") and "Question: " in prompt:
        return prompt.partition("Question: ")[2].partition(" Short answer:")[0].lower()
    lines = prompt.split("\n")
    return (lines[1] if lines[0].startswith("Reference OCR token:") and len(lines) > 1 else lines[0]).lower()
