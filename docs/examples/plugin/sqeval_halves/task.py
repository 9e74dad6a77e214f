"""Halves: which half of the picture is the brighter one?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqeval.data.entry import image_named
from sqeval.data.files import read_lines, require_unique
from sqeval.data.root import DataRoot
from sqeval.metrics import means
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score, Task, WantedFile


class Halves(Task):
    """The last of the four sides that the response names must be the right one."""

    name = "halves"
    version = "1"  # raise it whenever a prompt or a score can change
    description = "Which half of the picture is brighter; the last side named counts"
    citation = "An example"
    primary = "accuracy"
    files = (
        WantedFile("halves/questions.jsonl", "this package's folder `data`; a line: id, image, question, answer"),
        WantedFile("halves/images/*", "this package's folder `data`"),
    )
    settings = Settings(max_new_tokens=8)

    def samples(self, root: DataRoot) -> list[Sample]:
        entries = read_lines(root.file("halves/questions.jsonl"))
        require_unique(((entry.get("id", str), entry) for entry in entries), "id")
        samples = []
        for entry in entries:
            image = image_named(root, "halves/images", entry, "image")
            answer = entry.get("answer", str)
            tags = {"axis": "horizontal" if answer in ("left", "right") else "vertical"}
            samples.append(Sample(entry.get("id", str), image, entry.get("question", str), answer, image.key, tags))
        return samples

    def prompt(self, sample: Sample) -> str:
        return f"{sample.question}\nAnswer with a single word."

    def gold(self, sample: Sample) -> str:
        return str(sample.reference)

    def score(self, response: str | None, sample: Sample) -> Score:
        named = re.findall(r"\b(left|right|top|bottom)\b", (response or "").lower())
        parsed = named[-1] if named else None  # None: counted as unparsed, and wrong
        return Score(parsed, {"accuracy": float(parsed == sample.reference)})

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        return means(records, "accuracy", ["axis"])
