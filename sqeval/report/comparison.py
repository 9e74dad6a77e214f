"""A comparison of runs in words and tables: for the screen, and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqeval.comparison import WORST_FIRST, MetricComparison, Rules, RunComparison, TaskComparison
from sqeval.noise import Floor
from sqeval.report.comparison_notes import notes, what_changed
from sqeval.report.numbers import NONE, count, percent, pvalue, signed, signed_interval
from sqeval.report.text import markdown, markdown_table, plain
from sqeval.stats.differences import Difference
from sqeval.stats.gate import Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

HEADINGS = ("task", "base", "run", "difference", "p", "MDE", "−/+", "verdict")
STYLES = {
    Verdict.PASS: "green",
    Verdict.IMPROVEMENT: "bold green",
    Verdict.REGRESSION: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.INCOMPARABLE: "dim",
}


def legend(rules: Rules) -> str:
    """What the columns mean."""
    return (
        f"Percent; run minus base with its {100 * (1 - rules.alpha):g} % interval, paired by sample and clustered. "
        "p: Holm-adjusted over tasks. MDE: the smallest true difference found 4 times in 5. "
        "−/+: samples that got worse and better. "
        "Indented: metrics for information alone, their p adjusted among themselves."
    )


def screen(comparison: RunComparison, rules: Rules) -> RenderableType:
    """One table and the notes below it, for 80 columns or more."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, 1), pad_edge=False, collapse_padding=True)
    table.add_column(HEADINGS[0], min_width=12, overflow="fold")
    for heading in HEADINGS[1:-1]:
        wide = heading == "difference"
        table.add_column(heading, justify="right", no_wrap=not wide, min_width=22 if wide else None)
    table.add_column(HEADINGS[-1], no_wrap=True)
    for task in comparison.tasks:
        *cells, verdict = row(task, comparison.floors.get(task.task))
        table.add_row(*map(Text, cells), Text(verdict, style=STYLES[task.verdict]))
        for other in task.others:
            table.add_row(*map(Text, other_row(other)), style="dim")
    lines = [*notes(comparison, rules), *what_changed(comparison)]
    return Group(Text(title(comparison), style="bold"), table, *(Padding(Text(line), (0, 0, 0, 2)) for line in lines))


def as_markdown(comparisons: Sequence[RunComparison], rules: Rules, left_out: Sequence[str] = ()) -> str:
    """Tables and notes that GitHub and GitLab render; text from models and data is escaped."""
    parts = []
    for comparison in comparisons:
        rows = []
        for task in comparison.tasks:
            cells = [_lines(cell) for cell in row(task, comparison.floors.get(task.task))]
            cells[-1] = f"**{cells[-1]}**" if task.verdict is Verdict.REGRESSION else cells[-1]
            rows.append(cells)
            rows += [[markdown(cell) for cell in other_row(other)] for other in task.others]
        parts.append(f"### {markdown(title(comparison))}\n")
        parts.append(markdown_table(HEADINGS, rows, text_columns=(0, len(HEADINGS) - 1)))
        lines = [*notes(comparison, rules), *what_changed(comparison)]
        parts.append("".join(f"- {markdown(line)}\n" for line in lines))
    parts.append("".join(f"- left out: {markdown(note)}\n" for note in left_out))
    return "\n".join([*filter(None, parts), f"{legend(rules)}\n"])


def short(comparison: RunComparison) -> list[str]:
    """A line a task: ``gqa accuracy −0.4 (−1.0 to 0.2) against NAME: pass``."""
    return [
        f"{name(task)} {_change(task.difference)} against {plain(comparison.baseline.name)}: {task.verdict}"
        for task in comparison.tasks
        if task.difference is not None
    ]


def tally(comparisons: Sequence[RunComparison]) -> str:
    """``1 regression, 3 pass``: the verdicts of all tasks, the worst first."""
    verdicts = [task.verdict for comparison in comparisons for task in comparison.tasks]
    return (
        ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in WORST_FIRST if verdict in verdicts) or "no task"
    )


def title(comparison: RunComparison) -> str:
    """``noisy against mini (stored baseline)``."""
    stored = " (stored baseline)" if comparison.baseline.is_baseline else ""
    return f"{plain(comparison.candidate.name)} against {plain(comparison.baseline.name)}{stored}"


def name(task: TaskComparison) -> str:
    """``gqa accuracy``."""
    return f"{plain(task.task)} {plain(task.metric)}"


def row(task: TaskComparison, floor: Floor | None = None) -> list[str]:
    """Cells of one task's primary metric, in the order of `HEADINGS`; the noise floor, if known, below the change."""
    if task.difference is None:
        return [name(task), *[NONE] * (len(HEADINGS) - 2), task.verdict]
    flips = f"{count(len(task.flips.worse))}/{count(len(task.flips.better))}" if task.flips else NONE
    cells = _cells(name(task), task.difference, task.p, flips, task.verdict)
    if floor is not None:
        flipped = "" if floor.flipped is None else f", {percent(floor.flipped)} % flip"
        cells[HEADINGS.index("difference")] += f"\nA/A {signed(floor.difference)}{flipped}"
    return cells


def other_row(other: MetricComparison) -> list[str]:
    """Cells of a metric that is not the task's primary one."""
    return _cells(f"  {plain(other.metric)}", other.difference, other.p, "", other.verdict)


def _cells(first: str, found: Difference, p: float | None, flips: str, verdict: str) -> list[str]:
    base, candidate, mde = (
        percent(None if value is None or math.isnan(value) else value, scale=found.scale)
        for value in (found.base, found.candidate, found.mde)
    )
    return [first, base, candidate, _change(found), pvalue(p), mde, flips, verdict]


def _change(found: Difference) -> str:
    if found.identical:
        return "identical"
    value = None if math.isnan(found.value) else found.value
    return f"{signed(value, found.scale)} ({signed_interval(found.low, found.high, found.scale)})"


def _lines(cell: str) -> str:
    return "<br>".join(map(markdown, cell.split("\n")))
