"""A table of models by tasks, before it takes a form: the modules of this package give it one each.

Texts are as they came; each form escapes them in its own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqeval.report.numbers import NONE

TIE = "†"
"""Stands behind a score that is not shown to differ from the best."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A score as it is printed."""

    value: str = NONE
    spread: str = ""
    """What follows it: half the width of its interval, or the interval."""
    best: bool = False
    second: bool = False
    tied: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A model; one cell a column."""

    name: str
    cells: Sequence[Cell]
    rank: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under a heading of their own; the ranked runs have none."""

    heading: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table."""

    title: str
    columns: Sequence[tuple[str, str]]
    """Task and metric."""
    sections: Sequence[Section]
    notes: Sequence[str] = ()
    ranks: bool = False
    """Whether there is a column of ranks."""

    @property
    def headings(self) -> list[tuple[str, str]]:
        """Two lines above each column, those of names and ranks included."""
        return [("model", ""), *([("rank", "")] if self.ranks else []), *self.columns]

    @property
    def left(self) -> int:
        """Columns before the first score."""
        return len(self.headings) - len(self.columns)


@dataclass(frozen=True, slots=True)
class Page:
    """Tables under a title."""

    title: str
    sheets: Sequence[Sheet]
    legend: str
    """What the numbers and marks of `sheets` mean; empty without any."""
    apart: Sequence[Sheet] = ()
    """Tables below the legend: it is not about them."""
