"""VQAv2 as lmms-eval's `vqav2_val` and `vqav2_test` have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqeval.data.submission import answers_file
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.scoring import lmms
from sqeval.task import Sample, Score
from sqeval_tasks.vqav2 import VQAv2


class LmmsVQAv2(VQAv2):
    """Answers are normalised always, by the evaluator's own rules; nothing is done to them before."""

    protocol = "lmms"
    predictions = (*VQAv2.predictions, *VQAv2.results)  # nothing is final: all is processed
    results = ()
    measure = "VQA accuracy, always normalised"
    differs: ClassVar[Mapping[str, str]] = {
        "data": "val and test; test-dev and train are read here, and not there",
        "generation": "16 new tokens",
        "scorer": "both sides are always normalised, also where all ten people agree; responses are not processed "
        "beforehand",
    }
    settings = Settings(max_new_tokens=16)

    def gold(self, sample: Sample) -> str:
        if sample.reference is None:
            return ""
        answers: list[str] = sample.reference
        return max(dict.fromkeys(answers), key=lambda answer: lmms.vqa_accuracy(answer, answers))

    def score(self, response: str | None, sample: Sample) -> Score:
        response = lmms.said(response)
        parsed = None if response is None else lmms.vqa_normalize(response) or None
        if sample.reference is None:
            return Score(parsed, {})
        return Score(parsed, {"accuracy": 0.0 if response is None else lmms.vqa_accuracy(response, sample.reference)})

    def submission(self, records: Sequence[Record]) -> tuple[str, bytes]:
        """Responses as they are: where there are no answers to compare with, nothing is normalised."""
        answers = {record.id: lmms.said(record.response or "") for record in records}
        return answers_file(answers, "question_id", self._unasked, number=True)
