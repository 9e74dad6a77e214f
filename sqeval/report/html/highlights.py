"""Why: of each task the parts, the answers and the samples that a reviewer would look for first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sqeval.comparison import RunComparison, TaskComparison
from sqeval.records import Record
from sqeval.report.html import charts, links
from sqeval.report.html.answers import words
from sqeval.report.html.breakdown import cell_link
from sqeval.report.html.data import TaskSamples, shown_reference
from sqeval.report.html.sources import is_full
from sqeval.report.html.summary import bounds, known
from sqeval.report.numbers import count, percent, signed, signed_interval
from sqeval.report.text import plain
from sqeval.runs import TaskRun
from sqeval.stats.differences import Difference
from sqeval.stats.gate import Verdict

CARDS, PARTS, SAYINGS, PICTURES = 8, 3, 4, 4
"""At most so many tasks; and of each so many cells, answers and samples."""
SHORT = 40
"""Characters of an answer."""
FEW = 5
"""A cell of fewer samples says nothing on its own."""


@dataclass(frozen=True, slots=True)
class Part:
    """A cell that lost, or the weakest."""

    name: str
    value: str
    detail: str
    chart: Markup
    link: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One sample, with the answer before (or the one wanted) and now.

    `image` is the number of its thumbnail, -1 if it has none.
    """

    image: int
    question: str
    before: str
    after: str
    link: str


@dataclass(frozen=True, slots=True)
class Card:
    """What to know of one task."""

    task: str
    headline: str
    verdict: Verdict | None
    parts: Sequence[Part]
    sayings: Sequence[tuple[str, str, str]]
    """Answer before (or reference), answer now, how often."""
    behaviour: Sequence[str]
    pictures: Sequence[Picture]
    link: str


def changes(tasks: Sequence[TaskSamples], comparison: RunComparison, images: Mapping[str, int]) -> list[Card]:
    """Tasks that lost, or may have, the worst first: regressions, then the largest losses that are not certain."""
    found = {task.task: task for task in comparison.tasks}
    pairs = [(task, found[task.name]) for task in tasks if task.name in found]
    pairs = [pair for pair in pairs if pair[0].flips(1, -1) and pair[1].verdict is not Verdict.PASS]
    pairs.sort(key=lambda pair: (pair[1].verdict is not Verdict.REGRESSION, _gain(pair[1])))
    return [_changed(task, compared, images) for task, compared in pairs[:CARDS]]


def weaknesses(tasks: Sequence[TaskSamples], images: Mapping[str, int]) -> list[Card]:
    """Of a single run: the weakest parts of each task and what it said where it was wrong."""
    cards = [_weak(task, images) for task in tasks]
    return [card for card in cards if card.parts or card.pictures][:CARDS]


def _gain(found: TaskComparison) -> float:
    if found.difference is None:
        return 0.0
    return found.difference.value * (1 if found.difference.higher_is_better else -1)


def _changed(task: TaskSamples, found: TaskComparison, images: Mapping[str, int]) -> Card:
    worse, better = task.flips(1, -1), task.flips(1, 1)
    headline = f"{count(len(worse))} samples got worse, {count(len(better))} better"
    if found.difference:
        difference = found.difference
        headline = f"{signed(known(difference.value))} ({signed_interval(difference.low, difference.high)}); {headline}"
    lost = _lost(found)
    scale = charts.scale_of_differences(end for _, d in lost for end in (d.low, d.high))
    parts = [_lost_part(task, name, d, scale) for name, d in lost]
    before, after = task.by_run
    sayings = Counter((_said(before.get(r.id)), _said(after.get(r.id))) for r in worse)
    pictures = [
        _picture(task, record, images, _said(before.get(record.id)), _said(after.get(record.id)), show="worse")
        for record in _varied(worse)
    ]
    return Card(
        task=plain(task.name),
        headline=headline,
        verdict=found.verdict,
        parts=parts,
        sayings=_often(sayings),
        behaviour=_behaviour(task),
        pictures=pictures,
        link=links.samples(task=task.name, show="worse"),
    )


def _lost_part(task: TaskSamples, name: str, found: Difference, scale: charts.Scale) -> Part:
    ends = (found.low, found.high) if found.low is not None and found.high is not None else None
    detail = f"{signed_interval(found.low, found.high)}, n {count(found.n)}"
    better = 1 if found.higher_is_better else -1
    label = plain(f"{name}: {signed(found.value)} ({detail})")
    chart = charts.difference(found.value, ends, scale, label, better=better)
    return Part(plain(name), signed(found.value), detail, chart, cell_link(task, name))


def _lost(found: TaskComparison) -> list[tuple[str, Difference]]:
    """The cells that lost most; one that is the whole task, or the same as a cell before it, says nothing new."""
    whole = found.difference.n if found.difference else None
    seen: dict[tuple[float, int], tuple[str, Difference]] = {}
    for cell in found.cells:
        seen.setdefault((cell.difference.value, cell.difference.n), (cell.name, cell.difference))
    return [(name, d) for name, d in seen.values() if _loses(d) and FEW <= d.n != whole][:PARTS]


def _loses(found: Difference) -> bool:
    return found.value * (1 if found.higher_is_better else -1) < 0


def _weak(task: TaskSamples, images: Mapping[str, int]) -> Card:
    run = next(run for run in task.runs if run)
    records, scores = task.by_run[task.runs.index(run)], task.scores[task.runs.index(run)]
    wrong = [r for r in task.records if r.id in scores and scores[r.id] <= 0 and not records[r.id].errored]
    sayings = Counter(("", _said(records[record.id])) for record in wrong)
    headline = (
        f"{count(len(wrong))} of {count(len(records))} samples scored nothing"
        if scores
        else "no score of single samples"
    )
    pictures = [
        _picture(task, record, images, _wanted(record), _said(records[record.id]), show="wrong")
        for record in _varied(wrong)
    ]
    return Card(
        task=plain(task.name),
        headline=headline,
        verdict=None,
        parts=_weakest(task, run),
        sayings=_often(sayings),
        behaviour=[],
        pictures=pictures,
        link=links.samples(task=task.name, show="wrong"),
    )


def _weakest(task: TaskSamples, run: TaskRun) -> list[Part]:
    """Cells of the first metric that has any, the lowest upper ends first, if these are below the whole's value."""
    metrics = run.result["metrics"]
    wholes = [str(run.result["primary"]), *(name for name in metrics if "/" not in name)]
    whole = next((name for name in wholes if any(other.startswith(f"{name}/") for other in metrics)), None)
    overall = bounds(run, whole)[0] if whole else None
    if overall is None:
        return []
    cells = [(name, *bounds(run, name)) for name in metrics if name.startswith(f"{whole}/")]
    low = [(name, value, ends) for name, value, ends in cells if ends and value is not None and ends[1] < overall]
    low = [cell for cell in low if metrics[cell[0]]["n"] >= FEW]
    low.sort(key=lambda cell: cell[2][1] if cell[2] else 0.0)
    scale = charts.scale_of([overall, *(value for _, value, _ in low)])
    found = []
    for name, value, ends in low[:PARTS]:
        short = name.partition("/")[2]
        detail = f"{whole} of all {percent(overall)}, n {count(metrics[name]['n'])}"
        chart = charts.bars([(value, ends)], scale, plain(f"{short}: {percent(value)}, {detail}"))
        found.append(Part(plain(short), percent(value), plain(detail), chart, cell_link(task, short)))
    return found


def _behaviour(task: TaskSamples) -> list[str]:
    """How the answers differ as a whole: problems, and lengths."""
    runs = [run for run in task.runs if run]
    before, after = (run.result["counts"] for run in runs)
    found = [
        f"{kind} {count(before.get(kind, 0))} → {count(after.get(kind, 0))}"
        for kind in ("unparsed", "truncated", "errored")
        if before.get(kind, 0) != after.get(kind, 0)
    ]
    if all(map(is_full, runs)):
        old, new = (sum(map(words, run.records)) / max(1, len(run.records)) for run in runs)
        if abs(new - old) >= 0.1 * max(old, 0.1):
            found.append(f"words a response {old:.1f} → {new:.1f}")
    return found


def _often(sayings: Counter[tuple[str, str]]) -> list[tuple[str, str, str]]:
    return [(before, after, count(n)) for (before, after), n in sayings.most_common(SAYINGS) if n > 1]


def _said(record: Record | None) -> str:
    if record is None:
        return "–"
    if record.errored:
        return "(error)"
    return plain(record.parsed, SHORT) or "(empty)" if record.parsed is not None else "(unparsed)"


def _wanted(record: Record) -> str:
    return plain(next(iter(shown_reference(record.reference)), "(not public)"), SHORT)


def _varied(records: Sequence[Record]) -> list[Record]:
    """The first of each image, then others."""
    firsts = list({record.cluster: record for record in reversed(records)}.values())[::-1]
    return [*firsts, *(record for record in records if record not in firsts)][:PICTURES]


def _picture(
    task: TaskSamples, record: Record, images: Mapping[str, int], before: str, after: str, *, show: str
) -> Picture:
    return Picture(
        image=images.get(record.image or "", -1),
        question=plain(record.question or record.id, 90),
        before=before,
        after=after,
        link=links.sample(task.name, record.id, show=show),
    )
