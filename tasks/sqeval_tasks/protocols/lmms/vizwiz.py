"""VizWiz as lmms-eval's `vizwiz_vqa_val` and `vizwiz_vqa_test` have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqeval.metrics import means
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.scoring import lmms, vqa
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score
from sqeval_tasks.vizwiz import VizWiz


class LmmsVizWiz(VizWiz):
    """TextVQA's rule, applied to VizWiz."""

    protocol = "lmms"
    predictions = (*VizWiz.predictions, *VizWiz.results)  # nothing is final: all is processed
    results = ()
    measure = "VQA accuracy by M4C's rules"
    differs: ClassVar[Mapping[str, str]] = {
        "generation": "1,024 new tokens, as no limit is set",
        "scorer": "people's answers are processed as responses are (M4C's rules), and contractions get straight "
        "apostrophes",
        "metrics": "accuracy alone, nothing about answerability or captions; its cells by answer type are ours",
    }
    settings = Settings(max_new_tokens=1024)

    def gold(self, sample: Sample) -> str:
        if sample.reference is None:
            return ""
        answers: list[str] = sample.reference["answers"]
        return max(dict.fromkeys(answers), key=lambda answer: lmms.soft_accuracy(answer, answers))

    def score(self, response: str | None, sample: Sample) -> Score:
        response = lmms.said(response)
        parsed = None if response is None else vqa.submitted(response) or None
        if sample.reference is None:
            return Score(parsed, {})
        right = 0.0 if response is None else lmms.soft_accuracy(response, sample.reference["answers"])
        return Score(parsed, {"accuracy": right})

    def not_computed(self) -> Mapping[str, str]:
        return {}

    def corpus_scores(self, records: Sequence[Record], samples: Sequence[Sample]) -> None:
        return None

    def other_submissions(self, records: Sequence[Record]) -> Mapping[str, bytes]:
        return {}

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        return means([record for record in records if record.reference is not None], "accuracy", ["answer_type"])
