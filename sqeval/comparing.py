"""Two runs, task by task: is the candidate worse, better, or is that not known?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isnan

from sqeval import epochs
from sqeval.cells import cells
from sqeval.circumstances import changed, same_weights
from sqeval.comparability import differing
from sqeval.comparison import Mean, MetricComparison, Rules, RunComparison, TaskComparison
from sqeval.data.collection import paused
from sqeval.errors import IncompleteError, SqevalError, UserError
from sqeval.flips import flips, per_unit
from sqeval.gates import counted, failed_gates
from sqeval.noise import floors
from sqeval.records import Record
from sqeval.registry import get_task
from sqeval.runs import Run, TaskRun
from sqeval.stats.differences import Difference, difference
from sqeval.stats.gate import Verdict, verdict
from sqeval.stats.groups import average
from sqeval.stats.metric import Metric
from sqeval.stats.significance import holm

SURPRISING = 3
"""Standard errors of a gain that the same weights do not explain."""


@paused()
def compare_runs(baseline: Run, candidate: Run, rules: Rules, *, brief: bool = False) -> RunComparison:
    """Compare every task that both runs have. Raises SqevalError for a run whose samples are broken.

    brief: primary metrics alone, without flips and cells, and without tasks that are incomparable.
    """
    shared = [name for name in baseline.tasks if name in candidate.tasks]
    missing = sorted(set(baseline.tasks) ^ set(candidate.tasks))
    limited = baseline.limit is not None or candidate.limit is not None or rules.allow_partial
    same = same_weights(baseline, candidate)
    tasks = []
    for name in shared:
        base, other = baseline.tasks[name], candidate.tasks[name]
        if not (brief and differing(base, other)):
            tasks.append(_compare_task(base, other, limited, rules, brief))
    judged = [replace(task, surprising=same and _surprising(task)) for task in _judge(tasks, rules)]
    return RunComparison(
        baseline,
        candidate,
        tuple(judged),
        tuple(missing),
        _means(judged, 1 - rules.alpha),
        changed(baseline, candidate),
        floors(baseline),
    )


def _judge(tasks: Sequence[TaskComparison], rules: Rules) -> list[TaskComparison]:
    """Verdicts, the p-values of primary metrics adjusted over tasks, those of all others among themselves."""

    def decide(found: Difference, p: float | None) -> Verdict:
        points = {"margin": rules.margin / 100, "min_effect": rules.min_effect / 100}
        return verdict(found, p, alpha=rules.alpha, **points)

    primary = iter(_adjusted([task.difference for task in tasks if task.difference and not task.gates]))
    others = iter(_adjusted([other.difference for task in tasks for other in task.others]))
    judged = []
    for task in tasks:
        if task.difference and not task.gates:
            p = next(primary)
            task = replace(task, p=p, verdict=decide(task.difference, p))
        pairs = [(other, next(others)) for other in task.others]
        more = (replace(other, p=p, verdict=decide(other.difference, p)) for other, p in pairs)
        judged.append(replace(task, others=tuple(more)))
    return judged


def _adjusted(found: Sequence[Difference]) -> Iterator[float | None]:
    """Holm's p-values, in the order of `found`; None where there is none."""
    tested = iter(holm([each.p for each in found if each.p is not None]))
    return (None if each.p is None else next(tested) for each in found)


def _means(tasks: Sequence[TaskComparison], level: float) -> tuple[Mean, ...]:
    """Mean differences of the tasks that share a primary metric; accuracy and CIDEr have no common mean."""
    named: dict[str, list[tuple[str, Difference]]] = {}
    for task in tasks:
        if task.verdict is not Verdict.INCOMPARABLE and task.difference and task.difference.stderr is not None:
            named.setdefault(task.metric, []).append((task.task, task.difference))
    return tuple(
        Mean(
            metric,
            tuple(task for task, _ in found),
            average(
                [each.value for _, each in found],
                [each.stderr or 0.0 for _, each in found],
                [each.clusters for _, each in found],
                level,
            ),
        )
        for metric, found in named.items()
        if len(found) > 1
    )


def _surprising(task: TaskComparison) -> bool:
    found = task.difference
    return bool(found and found.stderr is not None and found.gain > SURPRISING * found.stderr and not found.identical)


def _compare_task(base: TaskRun, candidate: TaskRun, limited: bool, rules: Rules, brief: bool) -> TaskComparison:
    reasons = differing(base, candidate)
    if not reasons:
        try:
            return _paired(base, candidate, limited, rules, brief)
        except (SqevalError, ValueError) as error:  # ValueError: units that cannot be paired
            reasons = [str(error)]
    return TaskComparison(base.name, str(base.result["primary"]), Verdict.INCOMPARABLE, tuple(reasons))


def _paired(base: TaskRun, candidate: TaskRun, limited: bool, rules: Rules, brief: bool) -> TaskComparison:
    level = 1 - rules.alpha
    ours, theirs = _ids(base), _ids(candidate)
    common = ours & theirs
    if ours != theirs and not (limited and common):
        hint = "; --allow-partial compares the others" if common else ""
        raise IncompleteError(f"{len(ours ^ theirs)} of {len(ours | theirs)} sample ids are in one run alone{hint}")
    records = [
        run.records if asked == common else [record for record in run.records if epochs.question(record.id) in common]
        for run, asked in ((base, ours), (candidate, theirs))
    ]
    sides = list(zip((base, candidate), records, strict=True))
    counts = [counted(some) if ours != theirs else run.result["counts"] for run, some in sides]
    metric = str(base.result["primary"])
    before, after = (metrics_of(run, some) for run, some in sides)
    if not len(before[metric].ids):
        raise UserError(
            "there is no score: the answers are not public; the run's submission file goes to the benchmark's server"
        )
    gates = failed_gates(*counts, max_errors=rules.max_errors, max_rise=rules.max_rise / 100)
    compared = TaskComparison(
        base.name,
        metric,
        Verdict.INCOMPARABLE if gates else Verdict.INCONCLUSIVE,
        gates=gates,
        difference=difference(before[metric], after[metric], level=level),
        subset=None if ours == theirs else (len(common), len(ours | theirs)),
    )
    if brief:
        return compared
    unit = per_unit(before, after)
    parts = cells(before, after, (metric, *([unit] if unit else [])), level)
    return replace(
        compared,
        others=tuple(
            MetricComparison(name, Verdict.INCONCLUSIVE, found)
            for name in before
            if name != metric and "/" not in name and name in after
            if not isnan((found := difference(before[name], after[name], level=level)).value)
        ),
        flips=flips(before[unit], after[unit], (records[0], records[1]), parts) if unit else None,
        cells=parts,
    )


def _ids(run: TaskRun) -> set[str]:
    """Of the questions asked, however often."""
    ids = {record.id for record in run.records}
    if len(ids) < len(run.records):
        raise IncompleteError(f"{run.path}: an id occurs twice among the samples; repeat the run")
    return {epochs.question(key) for key in ids} if any(epochs.MARK in key for key in ids) else ids


def metrics_of(run: TaskRun, records: Sequence[Record] | None = None) -> dict[str, Metric]:
    """The task's metrics, computed anew from all or some of its records.

    Raises UserError if the installed task is of another version than the run.
    """
    task = get_task(run.name, run.protocol)
    if task.version != run.result["version"]:
        then = run.result["version"]
        raise UserError(f"the installed task is version {task.version}, the runs are of version {then}; repeat them")
    each = epochs.by_epoch(run.records if records is None else records)
    return {metric.name: metric for metric in epochs.metrics(task, each)}
