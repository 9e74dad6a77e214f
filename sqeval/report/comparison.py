"""A comparison of runs: for the screen, as Markdown, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqeval.comparison import Rules, RunComparison, TaskComparison
from sqeval.report.numbers import NONE, count, percent, pvalue, signed, signed_interval
from sqeval.report.text import markdown, markdown_table, plain
from sqeval.stats.differences import Difference
from sqeval.stats.gate import Verdict, units_for

if TYPE_CHECKING:
    from rich.console import RenderableType

HEADINGS = ("task", "base", "run", "difference", "p", "MDE", "−/+", "verdict")
CELLS_SHOWN = 3
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
        "−/+: samples that got worse and better."
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
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(HEADINGS[-1], no_wrap=True)
    for task in comparison.tasks:
        *cells, verdict = row(task)
        table.add_row(*map(Text, cells), Text(verdict, style=STYLES[task.verdict]))
    lines = [Padding(Text(note), (0, 0, 0, 2)) for note in notes(comparison, rules)]
    return Group(Text(title(comparison), style="bold"), table, *lines)


def as_markdown(comparisons: Sequence[RunComparison], rules: Rules, left_out: Sequence[str] = ()) -> str:
    """Tables and notes that GitHub and GitLab render; text from models and data is escaped."""
    parts = []
    for comparison in comparisons:
        rows = [[markdown(cell) for cell in row(task)] for task in comparison.tasks]
        for cells, task in zip(rows, comparison.tasks, strict=True):
            cells[-1] = f"**{cells[-1]}**" if task.verdict is Verdict.REGRESSION else cells[-1]
        parts.append(f"### {markdown(title(comparison))}\n")
        parts.append(markdown_table(HEADINGS, rows, text_columns=(0, len(HEADINGS) - 1)))
        parts.append("".join(f"- {markdown(note)}\n" for note in notes(comparison, rules)))
    parts.append("".join(f"- left out: {markdown(note)}\n" for note in left_out))
    return "\n".join([*filter(None, parts), f"{legend(rules)}\n"])


def as_json(comparisons: Sequence[RunComparison], rules: Rules, left_out: Sequence[str] = ()) -> dict[str, Any]:
    """Everything known, JSON-able; what is not defined is null. Values are in the metrics' own units (0..1)."""
    return {
        "rules": asdict(rules),
        "comparisons": [
            {
                "baseline": {"name": comparison.baseline.name, "path": str(comparison.baseline.path)},
                "candidate": {"name": comparison.candidate.name, "path": str(comparison.candidate.path)},
                "tasks": [_task_json(task) for task in comparison.tasks],
                "missing": list(comparison.missing),
            }
            for comparison in comparisons
        ],
        "left_out": list(left_out),
    }


def tally(comparisons: Sequence[RunComparison]) -> str:
    """``1 regression, 3 pass``: the verdicts of all tasks, the worst first."""
    order = (
        Verdict.REGRESSION, Verdict.INCOMPARABLE, Verdict.INCONCLUSIVE, Verdict.IMPROVEMENT, Verdict.PASS,
    )  # fmt: skip
    verdicts = [task.verdict for comparison in comparisons for task in comparison.tasks]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in order if verdict in verdicts) or "no task"


def title(comparison: RunComparison) -> str:
    """``noisy against mini (stored baseline)``."""
    stored = " (stored baseline)" if comparison.baseline.is_baseline else ""
    return f"{plain(comparison.candidate.name)} against {plain(comparison.baseline.name)}{stored}"


def row(task: TaskComparison) -> list[str]:
    """Cells of one task, in the order of `HEADINGS`."""
    name = f"{plain(task.task)} {plain(task.metric)}"
    found = task.difference
    if found is None:
        return [name, *[NONE] * (len(HEADINGS) - 2), task.verdict]
    change = f"{signed(_number(found.value))} ({signed_interval(found.low, found.high)})"
    worse_better = f"{count(len(task.flips.worse))}/{count(len(task.flips.better))}" if task.flips else NONE
    return [
        name,
        percent(_number(found.base)),
        percent(_number(found.candidate)),
        "identical" if found.identical else change,
        pvalue(task.p),
        percent(found.mde),
        worse_better,
        task.verdict,
    ]


def notes(comparison: RunComparison, rules: Rules) -> list[str]:
    """What the table cannot say: what differs, subsets, the cells that lost most, samples needed."""
    found = []
    for task in comparison.tasks:
        found += [f"{plain(task.task)}: {note}" for note in _task_notes(task, rules)]
    if comparison.missing:
        found.append(f"in one of the two runs alone: {', '.join(map(plain, comparison.missing))}")
    return found


def _task_notes(task: TaskComparison, rules: Rules) -> list[str]:
    if task.verdict is Verdict.INCOMPARABLE:
        return [f"the runs differ in more than the model: {plain('; '.join(task.reasons))}"]
    found = []
    if task.subset:
        found.append(f"subset {count(task.subset[0])} of {count(task.subset[1])} samples")
    lost = [cell for cell in task.cells if cell.gain < 0][:CELLS_SHOWN]
    if lost:
        found.append("lost most in " + ", ".join(_cell(plain(cell.name), cell.difference) for cell in lost))
    needed = units_for(task.difference, rules.margin / 100) if task.difference else None
    if task.verdict is Verdict.INCONCLUSIVE and needed:
        found.append(f"to find a loss of {rules.margin:.1f} takes about {_round(needed)} samples")
    return found


def _cell(name: str, found: Difference) -> str:
    return f"{name} {signed(found.value)} ({signed_interval(found.low, found.high)}, n {count(found.n)})"


def _round(number: int) -> str:
    """Two significant digits: it is an estimate."""
    scale = 10 ** max(0, len(str(number)) - 2)
    return count(math.ceil(number / scale) * scale)


def _task_json(task: TaskComparison) -> dict[str, Any]:
    value = asdict(task)
    found = [value["difference"], *(cell["difference"] for cell in value["cells"])]
    for entry in filter(None, found):
        entry.update({key: _number(number) for key, number in entry.items() if isinstance(number, float)})
    return value


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
