"""Two small benchmarks, installed as a third party's: one with a mean, one with F1 as its primary metric."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sqeval.data.root import DataRoot
from sqeval.metrics import cells, column, means, ratio_of_sums
from sqeval.records import Record
from sqeval.stats.metric import Floats, Metric
from sqeval.task import Sample, Score, Task


class Colours(Task):
    """What colour is it?"""

    name = "colours"
    version = "1"
    description = "colours"
    citation = "none"
    primary = "accuracy"
    files = ()

    def samples(self, root: DataRoot) -> list[Sample]:
        return [Sample(f"{self.name}{i}", None, "?", "red", f"image{i // 5}") for i in range(100)]

    def prompt(self, sample: Sample) -> str:
        return sample.question

    def gold(self, sample: Sample) -> str:
        return str(sample.reference)

    def score(self, response: str | None, sample: Sample) -> Score:
        return Score(response, {"accuracy": float(response == sample.reference)})

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        return means(records, "accuracy", ["room"])


def f1(sums: Floats) -> Floats:
    tp, fp, fn = np.moveaxis(sums, -1, 0)
    return np.nan_to_num(2 * tp / (2 * tp + fp + fn))  # 0 where undefined, as official evaluators have it


class Presence(Colours):
    """Is it there?"""

    name = "presence"
    primary = "f1"

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        parts = [column(f"accuracy/room={name}", some, "accuracy") for name, some in cells(records, "room").items()]
        counts = ratio_of_sums("f1", records, ("tp", "fp", "fn"), f1)
        return [counts, column("accuracy", records, "accuracy"), *parts]
