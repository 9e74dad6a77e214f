"""GQA as lmms-eval's `gqa` has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqeval.metrics import means
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.scoring import lmms
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score
from sqeval_tasks.gqa import GQA


class LmmsGQA(GQA):
    """Exact match without case and punctuation."""

    protocol = "lmms"
    predictions = (*GQA.predictions, *GQA.results)  # nothing is final: all is processed
    results = ()
    extras = False
    files = tuple(wanted for wanted in GQA.files if wanted.required)
    differs: ClassVar[Mapping[str, str]] = {
        "generation": "16 new tokens",
        "scorer": "exact match after all ASCII punctuation and case are dropped on both sides: `t-shirt` is `tshirt`, "
        "and not `t shirt`",
        "metrics": "accuracy alone; its cells by question type are ours",
    }
    settings = Settings(max_new_tokens=16)

    def score(self, response: str | None, sample: Sample) -> Score:
        answer = None if response is None else lmms.exact(lmms.said(response))
        parsed = answer if answer and answer.strip() else None
        if sample.reference is None:
            return Score(parsed, {})
        return Score(parsed, {"accuracy": float(answer == lmms.exact(sample.reference["answer"]))})

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        balanced = [record for record in records if record.reference is not None and record.reference["balanced"]]
        return means(balanced, "accuracy", ["structural", "semantic", "steps", "words"])
