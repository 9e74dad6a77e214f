"""How the answers look: score by length, and those that were unparsed, truncated or errored, with examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sqeval.records import Record
from sqeval.report.html import charts, links
from sqeval.report.html.data import TaskSamples
from sqeval.report.html.sources import is_full
from sqeval.report.numbers import NONE, count, half_width, percent
from sqeval.report.text import plain
from sqeval.runs import TaskRun
from sqeval.stats import estimate
from sqeval.stats.metric import mean

BINS = ((0, 0), (1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, None))
"""Lengths of responses, in words, from and to."""
EXAMPLES, LONGEST = 4, 160
"""Examples of each problem; characters of a response shown in one."""
PROBLEMS = {
    "unparsed": "no answer could be read from the response",
    "truncated": "the response was cut off at the token limit",
    "errored": "there is no response, or no judgement",
}


@dataclass(frozen=True, slots=True)
class Bin:
    """Responses of one length; an entry a run."""

    words: str
    counts: Sequence[str]
    shares: Markup
    scores: Sequence[str]
    chart: Markup


@dataclass(frozen=True, slots=True)
class Problem:
    """Answers of one run with one problem."""

    run: int
    kind: str
    meaning: str
    count: str
    share: str
    link: str
    examples: Sequence[tuple[str, str, str]]
    """Question, response or error, link."""


@dataclass(frozen=True, slots=True)
class TaskAnswers:
    """The answers to one task."""

    task: str
    metric: str
    scale: str
    bins: Sequence[Bin]
    problems: Sequence[Problem]


def answers(tasks: Sequence[TaskSamples]) -> list[TaskAnswers]:
    """The tasks of which responses are there, or problems known."""
    found = [_task(task) for task in tasks]
    return [task for task in found if task.bins or task.problems]


def words(record: Record) -> int:
    """Length of a response: words, by white space."""
    return len((record.response or "").split())


def _task(task: TaskSamples) -> TaskAnswers:
    found = [_by_length(run, task.by_run[place], task.scores[place]) for place, run in enumerate(task.runs)]
    used = [place for place in range(len(BINS)) if any(bins and bins[place][0] for bins in found)]
    ends = [value for bins in found if bins for _, value, _ in bins]
    scale = charts.scale_of(ends)
    questions = {record.id: record.question for record in task.records}
    problems = [
        problem
        for place, run in enumerate(task.runs)
        if run
        for kind in PROBLEMS
        if (problem := _problem(task.name, place, kind, run, questions))
    ]
    bins = [_bin(place, [bins[place] if bins else None for bins in found], found, scale) for place in used]
    metric = plain(task.metric or "")
    return TaskAnswers(plain(task.name), metric, percent(scale.high).removesuffix(".0"), bins, problems)


_Length = tuple[int, float | None, charts.Interval]
"""Number of responses, mean score and its interval."""


def _by_length(run: TaskRun | None, records: Mapping[str, Record], scores: Mapping[str, float]) -> list[_Length] | None:
    """An entry a bin; None for a run without responses."""
    if run is None or not is_full(run):
        return None
    answered = [record for record in records.values() if record.response is not None]
    lengths = [words(record) for record in answered]
    found: list[_Length] = []
    for low, high in BINS:
        here = [r for r, n in zip(answered, lengths, strict=True) if low <= n and (high is None or n <= high)]
        scored = [record for record in here if record.id in scores]
        if not scored:
            found.append((len(here), None, None))
            continue
        values = [scores[record.id] for record in scored]
        spread = estimate(mean("score", [r.id for r in scored], [r.cluster for r in scored], values))
        ends = None if spread.low is None or spread.high is None else (spread.low, spread.high)
        found.append((len(here), spread.value, ends))
    return found


def _bin(place: int, here: Sequence[_Length | None], every: Sequence[list[_Length] | None], scale: charts.Scale) -> Bin:
    low, high = BINS[place]
    name = f"{low} or more" if high is None else f"{low}" if low == high else f"{low} to {high}"
    totals = [sum(entry[0] for entry in bins) if bins else 0 for bins in every]
    shares = [entry[0] / total if entry and total else None for entry, total in zip(here, totals, strict=True)]
    texts = [
        NONE
        if entry is None or entry[1] is None
        else f"{percent(entry[1])}{f' ±{half_width(entry[2])}' if entry[2] else ''}"
        for entry in here
    ]
    counts = [count(entry[0]) if entry else NONE for entry in here]
    return Bin(
        words=name,
        counts=counts,
        shares=charts.bars(
            [(share, None) for share in shares], charts.Scale(0.0, 1.0), f"{name} words: {', '.join(counts)}"
        ),
        scores=texts,
        chart=charts.bars(
            [entry[1:] if entry else (None, None) for entry in here], scale, f"{name} words: {', '.join(texts)}"
        ),
    )


def _problem(task: str, place: int, kind: str, run: TaskRun, questions: Mapping[str, str]) -> Problem | None:
    found = [record for record in run.records if getattr(record, kind)]
    if not found:
        return None
    examples = [
        (
            plain(questions.get(record.id) or record.question or record.id, LONGEST),
            plain((record.failure if kind == "errored" else record.response) or "(empty)", LONGEST),
            links.sample(task, record.id, show=kind, run=place),
        )
        for record in found[:EXAMPLES]
    ]
    share = percent(len(found) / len(run.records))
    link = links.samples(task=task, show=kind, run=place)
    return Problem(place, kind, PROBLEMS[kind], count(len(found)), share, link, examples)
