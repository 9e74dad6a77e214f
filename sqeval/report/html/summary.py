"""The first thing on the page: every task with its primary metric, its interval, and what changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sqeval.comparison import RunComparison, TaskComparison
from sqeval.report.html import charts, links
from sqeval.report.html.data import TaskSamples
from sqeval.report.numbers import NONE, count, half_width, interval, percent, pvalue, signed, signed_interval
from sqeval.report.summary import PROBLEMS
from sqeval.report.text import plain
from sqeval.runs import TaskRun
from sqeval.stats.gate import Verdict

ORDER = (Verdict.REGRESSION, Verdict.INCOMPARABLE, Verdict.INCONCLUSIVE, Verdict.IMPROVEMENT, Verdict.PASS)
"""The worst first."""


@dataclass(frozen=True, slots=True)
class Value:
    """A metric of one run, as text; `problems` are counts with a link to the samples."""

    value: str
    half: str
    interval: str
    n: str
    clusters: str
    problems: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a task from the baseline to another run."""

    verdict: Verdict
    difference: str
    interval: str
    chart: Markup
    scale: str
    """What the chart's edges stand for, where they are not those of the other rows."""
    p: str
    worse: str
    better: str
    worse_link: str
    better_link: str
    note: str


@dataclass(frozen=True, slots=True)
class Row:
    """One task: a value a run, and a change a run but for the first."""

    task: str
    metric: str
    values: Sequence[Value | None]
    chart: Markup
    scale: str
    """What the chart's right edge stands for."""
    changes: Sequence[Change | None]


def rows(tasks: Sequence[TaskSamples], comparisons: Sequence[RunComparison | None]) -> list[Row]:
    """A row a task; where two runs are compared, the worst verdict first, and among equals the largest loss."""
    changed = [[_of(comparison, task.name) for comparison in comparisons] for task in tasks]
    found = [found.difference for each in changed for found in each if found and found.difference]
    small = charts.scale_of_differences(
        bound for d in found if max(abs(d.base), abs(d.candidate)) <= 1 for bound in (d.value, d.low, d.high)
    )
    pairs = [(_row(task, each, small), each) for task, each in zip(tasks, changed, strict=True)]
    if len(comparisons) == 2:
        pairs.sort(key=lambda pair: _badness(pair[1][1]))
    return [row for row, _ in pairs]


def verdicts(rows: Sequence[Row]) -> Mapping[Verdict, int]:
    """How often each verdict was reached, the worst first."""
    found = [change.verdict for row in rows for change in row.changes if change]
    return {verdict: found.count(verdict) for verdict in ORDER if verdict in found}


def remarks(tasks: Sequence[TaskSamples]) -> Mapping[str, Sequence[str]]:
    """What has to be known about results, and the tasks that it is about."""
    found: dict[str, dict[str, None]] = {}
    for task in tasks:
        for run in filter(None, task.runs):
            for note in _notes(run):
                found.setdefault(note, {})[plain(task.name)] = None
    return {note: list(names) for note, names in found.items()}


def known(value: float | None) -> float | None:
    """None for NaN: a value that is not defined."""
    return None if value is None or math.isnan(value) else value


def bounds(run: TaskRun, metric: str) -> tuple[float | None, charts.Interval]:
    """Value and interval of a metric, so that percent prints them right; (None, None) if the run has none."""
    found = run.result["metrics"].get(metric) or {}
    value, ends, scale = found.get("value"), found.get("ci95"), found.get("scale", 100) / 100
    return None if value is None else scale * value, (scale * ends[0], scale * ends[1]) if ends else None


def _of(comparison: RunComparison | None, task: str) -> TaskComparison | None:
    return next((found for found in comparison.tasks if found.task == task), None) if comparison else None


def _badness(found: TaskComparison | None) -> tuple[int, float]:
    if found is None:
        return len(ORDER), 0.0
    difference = found.difference
    gain = difference.value * (1 if difference.higher_is_better else -1) if difference else 0.0
    return ORDER.index(found.verdict), gain


def _row(task: TaskSamples, changed: Sequence[TaskComparison | None], small: charts.Scale) -> Row:
    metric = next(str(run.result["primary"]) for run in task.runs if run)
    values = [bounds(run, metric) if run else (None, None) for run in task.runs]
    scale = charts.scale_of(end for value, ends in values for end in (value, *(ends or ())))
    shown = [_value(task, place) for place in range(len(task.runs))]
    label = f"{task.name} {metric}: " + "; ".join(f"{v.value}, 95 % interval {v.interval}" for v in shown if v)
    return Row(
        task=plain(task.name),
        metric=plain(metric),
        values=shown,
        chart=charts.points(values, scale, plain(label)),
        scale=percent(scale.high).removesuffix(".0"),
        changes=[_change(task, place, found, small) if found else None for place, found in enumerate(changed)],
    )


def _value(task: TaskSamples, place: int) -> Value | None:
    run = task.runs[place]
    if run is None:
        return None
    primary, counts = run.primary, run.result["counts"]
    problems = [
        (f"{count(counts[name])} {name}", links.samples(task=task.name, show=name, run=place))
        for name in PROBLEMS
        if counts.get(name)
    ]
    ends = primary["ci95"]
    return Value(
        value=percent(known(primary["value"])),
        half=half_width(ends),
        interval=interval(ends),
        n=count(primary["n"]),
        clusters=count(primary["clusters"]),
        problems=problems,
    )


def _notes(run: TaskRun) -> list[str]:
    """What has to be known about a task's result: data version, judge, metrics that were not computed."""
    result, found = run.result, []
    if result.get("data_version"):
        found.append(plain(f"data version {result['data_version']}"))
    if result.get("judge"):
        judge = result["judge"]
        found.append(plain(f"judged by {judge.get('name')} ({judge.get('version')}), rounds: {judge.get('rounds')}"))
    found += [plain(f"{metric} was not computed: {why}") for metric, why in result.get("not_computed", {}).items()]
    if run.primary["value"] is None:
        found.append("no score: the answers are not public, or nothing could be computed")
    return found


def _change(task: TaskSamples, place: int, found: TaskComparison, small: charts.Scale) -> Change:
    difference = found.difference
    worse, better = (len(task.flips(place, sign)) for sign in (-1, 1))
    note = plain("; ".join(found.reasons))
    if found.subset:
        note = f"subset: {count(found.subset[0])} of {count(found.subset[1])} samples"
    chart, edge = Markup(""), ""
    if difference:
        value, ends = known(difference.value), None
        if difference.low is not None and difference.high is not None:
            ends = (difference.low, difference.high)
        fits = max(abs(difference.base), abs(difference.candidate)) <= 1
        scale = small if fits else charts.scale_of_differences([value, *(ends or ())])
        edge = "" if fits else f"±{percent(scale.high).removesuffix('.0')}"
        better_is = 1 if difference.higher_is_better else -1
        label = plain(f"{task.name}: {signed(value)} ({signed_interval(difference.low, difference.high)})")
        chart = charts.difference(value, ends, scale, label, better=better_is)
    return Change(
        verdict=found.verdict,
        difference=("±0" if difference.identical else signed(known(difference.value))) if difference else NONE,
        interval=signed_interval(difference.low, difference.high) if difference else NONE,
        chart=chart,
        scale=edge,
        p=pvalue(found.p),
        worse=count(worse),
        better=count(better),
        worse_link=links.samples(task=task.name, show="worse", run=place),
        better_link=links.samples(task=task.name, show="better", run=place),
        note=note,
    )
