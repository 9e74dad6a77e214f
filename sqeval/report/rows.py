"""The leaderboard's numbers for programs: CSV and JSON, with all their digits."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from sqeval.boards import Board, Entry
from sqeval.published import Published
from sqeval.report.leaderboard import title
from sqeval.report.text import spreadsheet

FIELDS = (
    "data", "run", "standing", "flags", "task", "version", "metric", "value", "low", "high", "n", "clusters", "best",
    "tied", "rank", "rank_low", "rank_high", "source", "note",
)  # fmt: skip
"""Columns of the CSV; measured and published scores have those that apply."""


def as_csv(boards: Sequence[Board], quoted: Sequence[Published] = ()) -> str:
    """One line a run and task; values in the metric's own units (0..1). No spreadsheet sees a formula."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for row in [*as_rows(boards), *published_rows(quoted)]:
        writer.writerow({key: spreadsheet(value) if isinstance(value, str) else value for key, value in row.items()})
    return text.getvalue()


def as_json(boards: Sequence[Board], quoted: Sequence[Published] = (), left_out: Sequence[str] = ()) -> dict[str, Any]:
    """`rows` of measured scores, `published` ones, and what was `left_out`, a sentence a run."""
    return {"rows": as_rows(boards), "published": published_rows(quoted), "left_out": list(left_out)}


def as_rows(boards: Sequence[Board]) -> list[dict[str, Any]]:
    """One object a run and task; JSON-able."""
    return [
        {"data": title(board, boards), **_facts(entry, task)}
        for board in boards
        for entry in board.entries
        for task in board.tasks
        if task in entry.run.tasks
    ]


def published_rows(scores: Sequence[Published]) -> list[dict[str, Any]]:
    """One object a published score."""
    return [
        {
            "data": score.data,
            "run": score.model,
            "standing": "published",
            "task": score.task,
            "metric": score.metric,
            "value": score.value,
            "source": score.source,
            "note": score.note,
        }
        for score in scores
    ]


def _facts(entry: Entry, task: str) -> dict[str, Any]:
    found, place = entry.run.tasks[task], entry.places.get(task)
    primary = found.primary
    low, high = primary["ci95"] or (None, None)
    first, last = (place and place.bounds) or (None, None)
    return {
        "run": entry.run.name,
        "standing": entry.standing.value,
        "flags": "; ".join(entry.flags),
        "task": task,
        "version": found.result["version"],
        "metric": found.result["primary"],
        "value": primary["value"],
        "low": low,
        "high": high,
        "n": primary["n"],
        "clusters": primary["clusters"],
        "best": task in entry.best,
        "tied": place.tied if place else None,
        "rank": place.rank if place else None,
        "rank_low": first,
        "rank_high": last,
    }
