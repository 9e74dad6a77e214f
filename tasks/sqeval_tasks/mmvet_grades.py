"""MM-Vet's files of grades, as its evaluator leaves them and authors publish them: the judge's word, no responses.

``{"v1_0": {"model": ["gpt-4-0613"], "content": ["0.5"], "score": [0.5]}, ...}``: an element of each list a run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from sqeval.data.entry import Entry
from sqeval.data.files import read_object
from sqeval.data.join import Allow, joined
from sqeval.data.predictions import is_object_with
from sqeval.data.text import show
from sqeval.judged import Verdict, Verdicts

MODEL, CONTENT, SCORE = "model", "content", "score"


def read_grades(path: Path, ids: Collection[str], allow: Allow) -> Verdicts | None:
    """The grades in a file; None if it holds something else. Raises DataError.

    All must be of one model, and of as many runs.
    """
    if not is_object_with(path, SCORE, *ids):
        return None
    table = read_object(path, unique_keys=not allow.duplicates)
    if not any(type(value) is dict and SCORE in value for value in table.value.values()):
        return None
    chosen = joined(path, list(table.value), list(table.value), ids, allow)
    entries = [table.entry(key) for key in chosen]
    grades = [_grades(entry) for entry in entries]
    for entry, its in zip(entries, grades, strict=True):
        if len(its) != len(grades[0]):
            raise entry.error(f"expected {len(grades[0])} grades, as the first question has, found {len(its)}", SCORE)
    judge = _judge(entries)
    return Verdicts(judge or path.name, judge, dict(zip(chosen, grades, strict=True)))


def _grades(entry: Entry) -> list[Verdict]:
    """The grade of each run, and what the model said."""
    scores = entry.numbers(SCORE)
    if not scores:
        raise entry.error("expected the grade of at least one run, found none", SCORE)
    for i, score in enumerate(scores):
        if not 0 <= score <= 1:
            raise entry.error(f"expected a grade from 0 to 1, found {show(score)}", f"{SCORE}[{i}]")
    counted = [repr(score) for score in scores]
    replies = entry.strings(CONTENT, counted)
    if len(replies) != len(counted):
        raise entry.error(f"expected {len(counted)} replies, one a grade, found {len(replies)}", CONTENT)
    return [Verdict(reply, grade) for reply, grade in zip(replies, counted, strict=True)]


def _judge(entries: Sequence[Entry]) -> str | None:
    """The model that graded; None if the file does not say. Raises DataError if there are several."""
    if not any(MODEL in entry.value for entry in entries):
        return None
    first = ""
    for entry in entries:
        for i, name in enumerate(entry.strings(MODEL)):
            first = first or name
            if name != first:
                raise entry.error(f"expected {show(first)}, which graded before, found {show(name)}", f"{MODEL}[{i}]")
    return first or None
