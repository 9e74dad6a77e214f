"""TextVQA as lmms-eval's `textvqa_val` and `textvqa_test` have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqeval.data.root import DataRoot
from sqeval.data.splits import present
from sqeval.data.submission import answers_file
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.scoring import lmms, vqa
from sqeval.task import Sample, Score, WantedFile
from sqeval_tasks.textvqa import SPLITS, TextVQA


class LmmsTextVQA(TextVQA):
    """Asked without OCR tokens: scores are some ten points below those of LLaVA's prompt."""

    protocol = "lmms"
    differs: ClassVar[Mapping[str, str]] = {
        "data": "needs no file of OCR tokens",
        "prompt": "without the line of OCR tokens (its `ocr` is off by default)",
        "generation": "1,024 new tokens, as no limit is set",
    }
    settings = Settings(max_new_tokens=1024)

    def wanted(self, root: DataRoot) -> Sequence[WantedFile]:
        questions, _, images = present(root, SPLITS).files
        return questions, images

    def prompt(self, sample: Sample) -> str:
        return f"{sample.question.capitalize()}\nAnswer the question using a single word or phrase."

    def score(self, response: str | None, sample: Sample) -> Score:
        response = lmms.said(response)
        parsed = None if response is None else vqa.submitted(response) or None
        if sample.reference is None:
            return Score(parsed, {})
        return Score(parsed, {"accuracy": 0.0 if response is None else lmms.soft_accuracy(response, sample.reference)})

    def data_version(self, root: DataRoot, samples: Sequence[Sample]) -> str:
        return present(root, SPLITS).version

    def submission(self, records: Sequence[Record]) -> tuple[str, bytes]:
        """Processed answers, which the server processes once more."""
        answers = {record.id: record.parsed or "" for record in records}
        return answers_file(answers, "question_id", number=True)
