"""GQA as LLaVA-1.5's gqa.sh has it: convert_gqa_for_eval.py, and GQA's eval.py changed to do without two files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqeval.records import Record
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score
from sqeval_tasks.gqa import GQA


class LLaVAGQA(GQA):
    """Choices, scene graphs and attention maps are left aside, also where they are there."""

    protocol = "llava"
    extras = False
    files = tuple(wanted for wanted in GQA.files if wanted.required)
    differs: ClassVar[Mapping[str, str]] = {
        "data": "choices, scene graphs and attention maps are not used",
        "metrics": "validity and plausibility are 0, as its script prints them; neither consistency nor grounding",
    }

    def score(self, response: str | None, sample: Sample) -> Score:
        found = super().score(response, sample)
        return Score(found.parsed, {**found.values, "valid": 0.0, "plausible": 0.0})

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        return [metric for metric in super().metrics(records) if metric.name != "consistency"]
