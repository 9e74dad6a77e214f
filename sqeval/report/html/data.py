"""The samples as the page's script reads them: JSON-able columns, one entry a sample.

What repeats (prompts' fixed parts, cells of breakdowns, images) is stored once and pointed at by number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqeval.data.images import ImageRef
from sqeval.epochs import MARK
from sqeval.records import Record
from sqeval.report.html.scores import sample_scores, shown_scores
from sqeval.report.html.sources import Found, Source, is_full
from sqeval.runs import Run, TaskRun

ERRORED, UNPARSED, TRUNCATED, ABSENT = 1, 2, 4, 8
"""Bits of a sample's state in one run."""

SAME = 0
"""In place of a text that is the same as the one before it: the parsed answer as the response."""

DIGITS = 4


@dataclass
class TaskSamples:
    """One task's samples over all runs; `runs` has None for a run without the task."""

    name: str
    runs: list[TaskRun | None]
    records: list[Record]
    """One a sample, from the first run that has its question."""
    by_run: list[dict[str, Record]]
    scores: list[Mapping[str, float]]
    """By run and sample id; empty where the task has no score of a single answer."""
    metric: str | None
    """Name of that score."""
    images: Mapping[str, ImageRef] = field(default_factory=dict)

    @property
    def bounded(self) -> bool:
        """Whether a score of 1 is the best (not so for CIDEr)."""
        return all(score <= 1 + 1e-9 for scores in self.scores for score in scores.values())

    def change(self, sample: str, run: int) -> float | None:
        """Score in a run minus the score in the first; None where either has none."""
        before, after = self.scores[0].get(sample), self.scores[run].get(sample)
        return None if before is None or after is None else after - before

    def flips(self, run: int, sign: int) -> list[Record]:
        """Records whose score fell (-1) or rose (1) from the first run to this one."""
        return [r for r in self.records if sign * (self.change(r.id, run) or 0.0) > 0]


def gather(name: str, runs: Sequence[Run], source: Source) -> TaskSamples:
    """The samples of task `name`, the images and questions from `source`. Raises SqevalError for broken samples."""
    tasks = [run.tasks.get(name) for run in runs]
    known = sorted((task for task in tasks if task is not None), key=lambda task: not is_full(task))
    firsts: dict[str, Record] = {}
    for task in known:
        for record in task.records:
            firsts.setdefault(record.id, record)
    found = source.find(name, known, list(firsts.values()))
    records = [_completed(record, found) for record in firsts.values()]
    by_run = [{record.id: record for record in task.records} if task else {} for task in tasks]
    scored = [sample_scores(task) if task else None for task in tasks]
    metric = next((entry[0] for entry in scored if entry), None)
    scores = [entry[1] if entry and entry[0] == metric else {} for entry in scored]
    return TaskSamples(name, tasks, records, by_run, scores, metric, found.images)


def columns(task: TaskSamples, image_number: Mapping[str, int]) -> dict[str, Any]:
    """One task of the page's JSON; `image_number` is where a key's thumbnail stands."""
    templates = _Vocabulary()
    return {
        "name": task.name,
        "metric": task.metric,
        "bounded": task.bounded,
        "ids": [record.id for record in task.records],
        "images": [image_number.get(record.image or "", -1) for record in task.records],
        "questions": [record.question for record in task.records],
        "prompts": [templates.code(_around(record)) for record in task.records],
        "templates": templates.entries,
        "references": [shown_reference(record.reference) for record in task.records],
        "tags": _tags(task.records),
        "runs": [
            None if run is None else _answers(run, task.records, task.by_run[place], task.scores[place])
            for place, run in enumerate(task.runs)
        ],
    }


def state_of(record: Record) -> int:
    """What went wrong with an answer, as bits."""
    return ERRORED * record.errored | UNPARSED * record.unparsed | TRUNCATED * record.truncated


def shown_reference(reference: Any) -> list[str]:
    """A reference as lines to read: the answers, each once with how often it was given, then what else is known."""
    if reference is None:
        return []
    if isinstance(reference, Mapping) and "answer" in reference:
        rest = {key: value for key, value in reference.items() if key != "answer" and value not in ([], {}, "", None)}
        return [*shown_reference(reference["answer"]), *(f"{key}: {_short(value)}" for key, value in rest.items())]
    if isinstance(reference, Mapping):
        return [f"{key}: {_short(value)}" for key, value in reference.items()]
    if isinstance(reference, Sequence) and not isinstance(reference, str):
        texts = [_short(value) for value in reference]
        counts = {text: texts.count(text) for text in texts}
        return [text if n == 1 else f"{text} ×{n}" for text, n in sorted(counts.items(), key=lambda entry: -entry[1])]
    return [_short(reference)]


def _short(value: Any) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _completed(record: Record, found: Found) -> Record:
    """With question, prompt and image of the data, where the record was stored without them."""
    sample = found.samples.get(record.id.partition(MARK)[0])
    if sample is None or record.prompt or record.question:
        return record
    prompt = found.prompt(sample) if found.prompt else ""
    image = sample.image.key if sample.image else None
    return record.but(question=sample.question, prompt=prompt, image=image)


def _around(record: Record) -> tuple[str, str] | tuple[str]:
    """What a prompt has before and after the question; the whole prompt if the question is not in it."""
    before, question, after = record.prompt.partition(record.question) if record.question else ("", "", "")
    return (before, after) if question else (record.prompt,)


def _tags(records: Sequence[Record]) -> list[dict[str, Any]]:
    found = []
    for name in dict.fromkeys(tag for record in records for tag in record.tags):
        values = _Vocabulary()
        codes = [values.code(record.tags[name]) if name in record.tags else -1 for record in records]
        found.append({"name": name, "values": values.entries, "codes": codes})
    return found


def _answers(
    run: TaskRun, records: Sequence[Record], by_id: Mapping[str, Record], scores: Mapping[str, float]
) -> dict[str, Any]:
    here = [by_id.get(record.id) for record in records]
    names = shown_scores(run)
    known = list(enumerate(here))
    return {
        "full": is_full(run),
        "states": [ABSENT if record is None else state_of(record) for record in here],
        "responses": [None if record is None else record.response for record in here],
        "parsed": [None if r is None else SAME if r.parsed == r.response and r.parsed else r.parsed for r in here],
        "scores": [_rounded(scores.get(record.id)) for record in records],
        "others": {name: [_rounded(r.scores.get(name)) if r else None for r in here] for name in names},
        "errors": {i: record.failure for i, record in known if record and record.failure is not None},
        "judged": {i: judged for i, record in known if record and (judged := _judged(record))},
    }


def _judged(record: Record) -> list[str]:
    """What a judge replied, an entry a round."""
    rounds = (record.judgement or {}).get("rounds") or []
    return ["\n\n".join(map(_short, replies)) for replies in rounds]


def _rounded(score: float | None) -> float | None:
    return None if score is None or not math.isfinite(score) else round(score, DIGITS)


class _Vocabulary:
    """Numbers for things that repeat."""

    def __init__(self) -> None:
        self._codes: dict[Any, int] = {}

    def code(self, entry: Any) -> int:
        return self._codes.setdefault(entry, len(self._codes))

    @property
    def entries(self) -> list[Any]:
        return list(self._codes)
