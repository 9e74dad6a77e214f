"""Two runs, task by task: is the candidate worse, better, or is that not known?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqeval import epochs as repeats
from sqeval.changes import Cell, Flips, cells, flips, per_unit
from sqeval.data.collection import paused
from sqeval.errors import EXIT_INCOMPLETE, EXIT_REGRESSION, IncompleteError, SqevalError, UserError
from sqeval.registry import get_task
from sqeval.runs import Run, TaskRun
from sqeval.stats.differences import Difference, difference
from sqeval.stats.gate import Verdict, verdict
from sqeval.stats.metric import Metric
from sqeval.stats.significance import holm

OWN_HASHES = frozenset({"checkpoint"})
"""Hashes of metrics.json that may differ between runs that are compared: that is what is compared."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How to judge. `margin` is in points as tables show them (percent; CIDEr times 100).

    Intervals cover 1 - `alpha`.
    """

    alpha: float = 0.05
    margin: float = 1.0


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """One task of two runs."""

    task: str
    metric: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    """Why the runs are incomparable: what differs."""
    difference: Difference | None = None
    p: float | None = None
    """Adjusted by Holm's method for the tasks compared."""
    subset: tuple[int, int] | None = None
    """(samples compared, samples of the larger run) if they are not all."""
    flips: Flips | None = None
    """None if no metric is a mean of values that each unit has."""
    cells: tuple[Cell, ...] = ()
    """Those that lost most first, by the upper end of their interval."""


@dataclass(frozen=True, slots=True)
class RunComparison:
    """All tasks that two runs share."""

    baseline: Run
    candidate: Run
    tasks: tuple[TaskComparison, ...]
    missing: tuple[str, ...]
    """Tasks that only one of the two has."""

    @property
    def comparable(self) -> bool:
        """Whether any task could be compared."""
        return any(task.verdict is not Verdict.INCOMPARABLE for task in self.tasks)


@paused()
def compare_runs(baseline: Run, candidate: Run, rules: Rules) -> RunComparison:
    """Compare every task that both runs have. Raises SqevalError for a run whose samples are broken."""
    shared = [name for name in baseline.tasks if name in candidate.tasks]
    missing = sorted(set(baseline.tasks) ^ set(candidate.tasks))
    limited = baseline.limit is not None or candidate.limit is not None
    tasks = [_compare_task(baseline.tasks[name], candidate.tasks[name], limited, rules) for name in shared]
    return RunComparison(baseline, candidate, tuple(_judge(tasks, rules)), tuple(missing))


def exit_code(comparisons: Sequence[RunComparison], *, explicit: bool) -> int:
    """3 if anything regressed; 5 if nothing could be compared, or, among runs named one by one, anything not."""
    verdicts = [task.verdict for comparison in comparisons for task in comparison.tasks]
    if Verdict.REGRESSION in verdicts:
        return EXIT_REGRESSION
    lost = Verdict.INCOMPARABLE in verdicts or not all(comparison.tasks for comparison in comparisons)
    if (explicit and lost) or not any(comparison.comparable for comparison in comparisons):
        return EXIT_INCOMPLETE
    return 0


def _judge(tasks: Sequence[TaskComparison], rules: Rules) -> list[TaskComparison]:
    tested = [task for task in tasks if task.difference is not None and task.difference.p is not None]
    adjusted = holm([task.difference.p for task in tested if task.difference and task.difference.p is not None])
    pvalues = {task.task: p for task, p in zip(tested, adjusted, strict=True)}
    judged = []
    for task in tasks:
        if task.difference is not None:
            p = pvalues.get(task.task)
            decision = verdict(task.difference, p, alpha=rules.alpha, margin=rules.margin / 100)
            task = replace(task, p=p, verdict=decision)
        judged.append(task)
    return judged


def _compare_task(base: TaskRun, candidate: TaskRun, limited: bool, rules: Rules) -> TaskComparison:
    reasons = _differing(base, candidate)
    if not reasons:
        try:
            return _paired(base, candidate, limited, 1 - rules.alpha)
        except (SqevalError, ValueError) as error:  # ValueError: units that cannot be paired
            reasons = [str(error)]
    return TaskComparison(base.name, str(base.result["primary"]), Verdict.INCOMPARABLE, tuple(reasons))


def _paired(base: TaskRun, candidate: TaskRun, limited: bool, level: float) -> TaskComparison:
    ours, theirs = ({record.id for record in run.records} for run in (base, candidate))
    common = ours & theirs
    if ours != theirs and not (limited and common):
        raise IncompleteError(f"{len(ours ^ theirs)} of {len(ours | theirs)} sample ids are in one run alone")
    metric = str(base.result["primary"])
    before, after = (_metrics(run, common) for run in (base, candidate))
    if not len(before[metric].ids):
        raise UserError("there is no score: the answers are not public")
    unit = per_unit(before, after)
    return TaskComparison(
        base.name,
        metric,
        Verdict.INCONCLUSIVE,
        difference=difference(before[metric], after[metric], level=level),
        subset=None if ours == theirs else (len(common), max(len(ours), len(theirs))),
        flips=flips(before[unit], after[unit], (base.records, candidate.records)) if unit else None,
        cells=cells(before, after, (metric, *([unit] if unit else [])), level),
    )


def _differing(base: TaskRun, candidate: TaskRun) -> list[str]:
    """What the two runs did differently, other than the model."""
    reasons = []
    if base.protocol != candidate.protocol:
        reasons.append(f"protocol ({base.protocol} and {candidate.protocol})")
    for field in ("version", "primary"):
        ours, theirs = base.result[field], candidate.result[field]
        if ours != theirs:
            reasons.append(f"task {field} ({ours} and {theirs})")
    ours, theirs = (run.result.get("judge") or {} for run in (base, candidate))
    if ours != theirs:
        reasons.append(f"judge ({_judge_of(ours)} and {_judge_of(theirs)}): scores by different judges are not mixed")
    for name in sorted((set(base.hashes) | set(candidate.hashes)) - OWN_HASHES):
        if base.hashes.get(name) != candidate.hashes.get(name):
            reasons.append(f"{name} hash")
    return reasons


def _judge_of(judge: Mapping[str, Any]) -> str:
    """``gpt-4 as gpt-4-0613, 3 rounds``."""
    return f"{judge.get('name')} as {judge.get('version')}, rounds: {judge.get('rounds')}" if judge else "none"


def _metrics(run: TaskRun, ids: set[str]) -> dict[str, Metric]:
    """The task's metrics, computed anew from the records with these ids."""
    task = get_task(run.name, run.protocol)
    if task.version != run.result["version"]:
        then = run.result["version"]
        raise UserError(f"the installed task is version {task.version}, the runs are of version {then}; repeat them")
    metrics = repeats.metrics(task, [record for record in run.records if record.id in ids])
    return {metric.name: metric for metric in metrics}
