"""Published scores: quoted from papers and model zoos, shown beside measured ones and never ranked with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sqeval.data.entry import Entry
from sqeval.data.files import read_csv
from sqeval.data.text import show
from sqeval.errors import DataError

NAME = "published.csv"
FIELDS = ("model", "task", "metric", "data", "percent", "source", "note")
OPTIONAL = frozenset({"data", "note"})
HIGHEST = 1000
"""CIDEr ends at 10, and tables show it times 100."""
_PERCENT = re.compile(r"[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Published:
    """One score as its source states it."""

    model: str
    task: str
    metric: str
    """Which variant, by the name of the task's own metric: ``f1_mean``, ``img_accuracy``."""
    data: str
    """Split or version of the data, in words; may be empty."""
    value: float
    """In the metric's own units, as measured scores are: 0..1, CIDEr 0..10."""
    source: str
    """Paper and table, or model zoo."""
    note: str = ""

    @property
    def about(self) -> tuple[str, ...]:
        """What there can be one score of."""
        return self.model, self.task, self.metric, self.data, self.source


def published(results: Path) -> list[Published]:
    """The shipped scores, and those of `results`/published.csv if there is one.

    A row of the latter replaces a shipped one about the same. Raises DataError with file, line and field for a
    malformed row.
    """
    found = {score.about: score for score in read_published(shipped())}
    if (results / NAME).is_file():
        found |= {score.about: score for score in read_published(results / NAME)}
    return list(found.values())


def shipped() -> Path:
    """The file that comes along: beside this module when it is installed, in ``results`` in the repository."""
    packaged = Path(__file__).with_name(NAME)
    return packaged if packaged.is_file() else packaged.parents[1] / "results" / NAME


def read_published(path: Path) -> list[Published]:
    """The scores of one file. Raises DataError for a malformed row, and for a second one about the same."""
    entries = read_csv(path)
    scores = [_score(entry) for entry in entries]
    first: dict[tuple[str, ...], Entry] = {}
    for score, entry in zip(scores, entries, strict=True):
        if (other := first.setdefault(score.about, entry)) is not entry:
            raise entry.error(f"model, task, metric, data and source are those of line {other.where}; remove one")
    return scores


def _score(entry: Entry) -> Published:
    if set(entry.value) != set(FIELDS):
        columns = f"expected the columns {', '.join(FIELDS)}, found {show(', '.join(entry.value))}"
        raise DataError(columns, file=entry.file, line=1)
    texts = {field: entry.get(field, str).strip() for field in FIELDS}
    for field, text in texts.items():
        if not text and field not in OPTIONAL:
            raise entry.error("expected a value, found none", field)
    percent = texts.pop("percent")
    if not _PERCENT.fullmatch(percent) or float(percent) > HIGHEST:
        raise entry.error(f"expected percent as the source prints it, such as 80.3, found {show(percent)}", "percent")
    return Published(value=float(Decimal(percent) / 100), **texts)
