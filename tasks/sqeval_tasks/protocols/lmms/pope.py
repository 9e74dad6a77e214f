"""POPE as lmms-eval's `pope` has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqeval.metrics import cells, ratio_of_sums
from sqeval.records import Record
from sqeval.scoring import lmms, yesno
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score
from sqeval_tasks.pope import POPE

MEASURES = {
    "f1": yesno.f1,
    "accuracy": yesno.accuracy,
    "precision": yesno.precision,
    "recall": yesno.recall,
    "yes_ratio": lmms.true_yes_ratio,
}


class LmmsPOPE(POPE):
    """Yes or no, to the letter; whatever else is said is missing from precision and recall."""

    protocol = "lmms"
    primary = "f1"
    measure = "F1 of all questions together"
    differs: ClassVar[Mapping[str, str]] = {
        "data": "its copy has 3,000 random questions",
        "scorer": "the response has to be `yes` or `no`, in any case and nothing else; any other is wrong for accuracy "
        "and counts for neither precision nor recall",
        "metrics": "F1 of the three categories pooled, not their mean; the ratio of yes is that of the labels",
    }

    def prompt(self, sample: Sample) -> str:
        return f"{sample.question.strip()}\nAnswer the question using a single word or phrase."

    def score(self, response: str | None, sample: Sample) -> Score:
        """An error counts against the label: it must not raise the recall, as an unread answer does."""
        response = lmms.said(response)
        answer = None if response is None else lmms.pope_answer(response)
        outcome = (yesno.outcome if response is None else lmms.pope_outcome)(answer, sample.reference)
        return Score(answer, {count: float(count == outcome) for count in lmms.POPE_COUNTS})

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        """Those of a category are what lmms-eval's `pope_random`, `pope_pop` and `pope_adv` report."""
        pooled = [ratio_of_sums(name, records, lmms.POPE_COUNTS, f) for name, f in MEASURES.items()]
        by_category = [
            ratio_of_sums(f"{name}/category={cell}", members, lmms.POPE_COUNTS, f)
            for name, f in MEASURES.items()
            for cell, members in cells(records, "category").items()
        ]
        return pooled + by_category
