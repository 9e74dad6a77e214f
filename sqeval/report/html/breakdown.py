"""Parts of each task: bars with intervals, the cells that lost most first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sqeval.comparison import RunComparison
from sqeval.report.html import charts, links
from sqeval.report.html.data import TaskSamples
from sqeval.report.html.summary import bounds, known
from sqeval.report.numbers import count, half_width, percent, signed, signed_interval
from sqeval.report.text import plain
from sqeval.stats.differences import Difference

OPEN = 12
"""Cells of a tag that are shown at once; the others wait behind a click."""


@dataclass(frozen=True, slots=True)
class CellRow:
    """One cell, or one metric of the whole task; a value a run."""

    name: str
    n: str
    values: Sequence[str]
    chart: Markup
    link: str
    difference: str = ""
    interval: str = ""
    change: Markup | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The cells of one tag."""

    tag: str
    rows: Sequence[CellRow]
    compared: bool


@dataclass(frozen=True, slots=True)
class TaskBreakdown:
    """All that is known of one task's metrics."""

    task: str
    metric: str
    """The metric whose cells are shown."""
    scale: str
    groups: Sequence[Group]
    metrics: Sequence[CellRow]


def breakdowns(tasks: Sequence[TaskSamples], comparison: RunComparison | None) -> list[TaskBreakdown]:
    """A breakdown a task; `comparison` brings differences, and with them the order."""
    return [_breakdown(task, _cells(comparison, task.name)) for task in tasks]


def split(name: str) -> tuple[str, str]:
    """``structural=compare`` to its tag and its cell."""
    tag, _, cell = name.partition("=")
    return tag, cell


def cell_link(task: TaskSamples, name: str) -> str:
    """The samples of a cell, if the records say which they are; else all of the task."""
    tag, cell = split(name)
    here = any(record.tags.get(tag) == cell for record in task.records)
    return links.samples(task=task.name, **({"tag": name} if here else {}))


def _cells(comparison: RunComparison | None, task: str) -> dict[str, Difference]:
    if comparison is None:
        return {}
    return {cell.name: cell.difference for found in comparison.tasks if found.task == task for cell in found.cells}


def _breakdown(task: TaskSamples, differences: dict[str, Difference]) -> TaskBreakdown:
    runs = [run for run in task.runs if run]
    names = list(dict.fromkeys(name for run in runs for name in run.result["metrics"]))
    wholes = [name for name in names if "/" not in name]
    primary = str(runs[0].result["primary"])
    ranked = [primary, *(name for name in (task.metric,) if name), *wholes]
    whole = next((name for name in ranked if any(other.startswith(f"{name}/") for other in names)), primary)
    cells = [name.removeprefix(f"{whole}/") for name in names if name.startswith(f"{whole}/")]
    if differences:
        order = {name: place for place, name in enumerate(differences)}
        cells.sort(key=lambda name: order.get(name, len(order)))
    scale = charts.scale_of(bounds(run, f"{whole}/{cell}")[0] for run in runs for cell in cells)
    about_zero = charts.scale_of_differences(end for d in differences.values() for end in _reach(d))
    groups = []
    for tag in dict.fromkeys(split(cell)[0] for cell in cells):
        rows = [
            _row(
                task, f"{whole}/{cell}", split(cell)[1], scale, cell_link(task, cell), differences.get(cell), about_zero
            )
            for cell in cells
            if split(cell)[0] == tag
        ]
        groups.append(Group(plain(tag), rows, compared=bool(differences)))
    return TaskBreakdown(
        task=plain(task.name),
        metric=plain(whole),
        scale=percent(scale.high).removesuffix(".0"),
        groups=groups,
        metrics=[_row(task, name, name, charts.scale_of([1.0, *_values(task, name)]), "") for name in wholes],
    )


def _reach(found: Difference) -> list[float | None]:
    """Value and ends, within what the metric can differ by: the intervals of cells with few samples go beyond."""
    most = 1.0 if max(abs(found.base), abs(found.candidate)) <= 1 else math.inf
    ends = (known(found.value), found.low, found.high)
    return [min(most, abs(end)) for end in ends if end is not None]


def _values(task: TaskSamples, metric: str) -> list[float | None]:
    return [bounds(run, metric)[0] for run in task.runs if run]


def _row(
    task: TaskSamples,
    metric: str,
    name: str,
    scale: charts.Scale,
    link: str,
    found: Difference | None = None,
    about_zero: charts.Scale | None = None,
) -> CellRow:
    values = [bounds(run, metric) if run else (None, None) for run in task.runs]
    sizes = [run.result["metrics"].get(metric, {}).get("n") for run in task.runs if run]
    texts = [
        f"{percent(known(value))} ±{half_width(ends)}" if ends else percent(known(value)) for value, ends in values
    ]
    chart = charts.bars(values, scale, plain(f"{name}: {', '.join(texts)}"))
    shown = CellRow(plain(name), count(max(filter(None, sizes), default=0)), texts, chart, link)
    if found is None or about_zero is None:
        return shown
    ends = (found.low, found.high) if found.low is not None and found.high is not None else None
    difference, interval = signed(known(found.value)), signed_interval(found.low, found.high)
    change = charts.difference(
        known(found.value), ends, about_zero, plain(f"{name}: {difference} ({interval})"),
        better=1 if found.higher_is_better else -1,
    )  # fmt: skip
    return CellRow(shown.name, shown.n, texts, chart, link, difference, interval, change)
