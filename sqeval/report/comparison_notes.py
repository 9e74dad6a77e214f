"""What the table of a comparison cannot say, in lines of text."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sqeval.cells import Cell
from sqeval.comparison import Rules, RunComparison, TaskComparison
from sqeval.flips import Flip
from sqeval.report.numbers import NONE, count, signed, signed_interval
from sqeval.report.text import plain
from sqeval.stats.differences import Difference
from sqeval.stats.gate import Verdict, units_for

CELLS_SHOWN = 3
FLIPS_SHOWN = 3
LONGEST = 40
"""Characters of an answer or a setting that are shown."""


def notes(comparison: RunComparison, rules: Rules) -> list[str]:
    """What differs, failed gates, the cells that lost most, flipped samples, samples needed, means over tasks."""
    found = []
    for task in comparison.tasks:
        found += [f"{plain(task.task)}: {note}" for note in _task_notes(task, rules)]
    for mean in comparison.means:
        interval = signed_interval(mean.average.low, mean.average.high)
        found.append(f"mean {plain(mean.metric)} of {', '.join(mean.tasks)}: {signed(mean.average.value)} ({interval})")
    if comparison.missing:
        found.append(f"in one of the two runs alone: {', '.join(map(plain, comparison.missing))}")
    return found


def what_changed(comparison: RunComparison) -> list[str]:
    """A line a kind of change: ``changed packages: torch 2.12.0 → 2.13.0``."""
    kinds: dict[str, list[str]] = {}
    for change in comparison.changes:
        before, after = plain(change.before, LONGEST), plain(change.after, LONGEST)
        kinds.setdefault(change.kind, []).append(f"{plain(change.name)} {before} → {after}")
    lines = [f"changed {kind}: {'; '.join(parts)}" for kind, parts in kinds.items()]
    return lines or [
        "nothing else is known to have changed: same checkpoint, prompts, data, settings, packages, machine"
    ]


def _task_notes(task: TaskComparison, rules: Rules) -> Iterator[str]:
    if task.reasons:
        yield f"the runs differ in more than the model: {plain('; '.join(task.reasons))}"
    for gate in task.gates:
        yield f"hard gate failed: {gate}"
    if task.subset:
        yield f"subset {count(task.subset[0])} of {count(task.subset[1])} samples ({100 * task.coverage:.0f} %)"
    if task.difference is None:
        return
    lost = _lost(task, rules)
    if lost:
        yield "lost most in " + ", ".join(_cell(cell.name, cell.difference) for cell in lost[:CELLS_SHOWN])
    if task.flips and task.verdict is Verdict.REGRESSION:
        yield _flipped("got worse", task.flips.worse)
        if task.flips.better:
            yield _flipped("got better", task.flips.better)
    needed = units_for(task.difference, rules.margin / 100)
    if task.verdict is Verdict.INCONCLUSIVE and needed:
        yield f"inconclusive: needs about {_round(needed)} samples to find a loss of {rules.margin:g}"
    if task.surprising and task.verdict is not Verdict.INCOMPARABLE:
        yield "warning: better by more than 3 standard errors with the same weights; something else changed"


def _lost(task: TaskComparison, rules: Rules) -> list[Cell]:
    """Cells that lost for certain among all cells; of a regression all that lost by their own interval."""
    lost = [cell for cell in task.cells if cell.gain < 0 and task.difference and cell.difference.n < task.difference.n]
    if task.verdict is Verdict.REGRESSION:
        return lost
    return [cell for cell in lost if cell.p is not None and cell.p < rules.alpha]


def _cell(name: str, found: Difference) -> str:
    return f"{plain(name)} {signed(found.value)} ({signed_interval(found.low, found.high)}, n {count(found.n)})"


def _flipped(what: str, flips: tuple[Flip, ...]) -> str:
    shown = [
        plain(flip.id, LONGEST) + _answers(flip.base_answer, flip.candidate_answer) for flip in flips[:FLIPS_SHOWN]
    ]
    more = f" and {count(len(flips) - FLIPS_SHOWN)} more (--json has all)" if len(flips) > FLIPS_SHOWN else ""
    return f"{what}: {', '.join(shown)}{more}"


def _answers(before: str | None, after: str | None) -> str:
    """`` (red → blue)``; nothing for a group of samples, whose own answers may be the same."""
    then, now = (NONE if text is None else plain(text, LONGEST) for text in (before, after))
    return "" if then == now else f" ({then} → {now})"


def _round(number: int) -> str:
    """Two significant digits: it is an estimate."""
    scale = 10 ** max(0, len(str(number)) - 2)
    return count(math.ceil(number / scale) * scale)
