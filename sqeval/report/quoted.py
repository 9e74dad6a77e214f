"""The table of published scores: apart from measured ones, without marks or ranks, with its sources below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqeval.published import Published
from sqeval.report.numbers import percent
from sqeval.report.sheet import Cell, Row, Section, Sheet

TITLE = "Published scores, quoted and not measured"
WARNING = "Not to be ranked with the runs above: data, prompts and preprocessing may differ."
Column = tuple[str, str, str]
"""Task, metric, data."""


def published_sheet(scores: Sequence[Published]) -> Sheet:
    """A row for each model and source, in the order of the file; a column for each task, metric and data version."""
    columns = sorted({_column(score) for score in scores})
    sources = list(dict.fromkeys(score.source for score in scores))
    cells: dict[tuple[str, str], dict[Column, Published]] = {}
    for score in scores:
        cells.setdefault((score.model, score.source), {})[_column(score)] = score
    rows = [
        Row(f"{model} [{1 + sources.index(source)}]", [_cell(row, column) for column in columns])
        for (model, source), row in cells.items()
    ]
    known = "; ".join(f"{task} {metric}: {data}" for task, metric, data in columns if data)
    notes = [WARNING, *([f"Columns: {known}."] if known else []), *_footnotes(scores, sources)]
    return Sheet(TITLE, [(task, metric) for task, metric, _ in columns], [Section("", rows)], notes)


def _column(score: Published) -> Column:
    return score.task, score.metric, score.data


def _cell(row: Mapping[Column, Published], column: Column) -> Cell:
    return Cell(percent(row[column].value)) if column in row else Cell()


def _footnotes(scores: Sequence[Published], sources: Sequence[str]) -> Iterator[str]:
    """The sources by number, each with what is noted about its scores."""
    for number, source in enumerate(sources, 1):
        notes: dict[str, dict[str, None]] = {}
        for score in scores:
            if score.source == source and score.note:
                notes.setdefault(score.note, {})[score.task] = None
        said = [f"{', '.join(tasks)}: {note}" for note, tasks in notes.items()]
        yield f"[{number}] {'. '.join([source, *said])}."
