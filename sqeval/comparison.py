"""What comes of comparing two runs, the rules it is judged by, and the exit code that says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqeval.cells import Cell
from sqeval.circumstances import Change
from sqeval.errors import EXIT_INCOMPLETE, EXIT_INCONCLUSIVE, EXIT_REGRESSION
from sqeval.flips import Flips
from sqeval.noise import Floor
from sqeval.runs import Run
from sqeval.stats.differences import Difference
from sqeval.stats.gate import Verdict
from sqeval.stats.groups import Average

WORST_FIRST = (
    Verdict.REGRESSION, Verdict.INCOMPARABLE, Verdict.INCONCLUSIVE, Verdict.IMPROVEMENT, Verdict.PASS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """How to judge. Points are those of the tables (percent; CIDEr times 100).

    Intervals cover 1 - `alpha`.
    """

    alpha: float = 0.05
    margin: float = 1.0
    """Loss, in points, that a pass must exclude."""
    min_effect: float = 0.0
    """Smaller differences, in points, are neither regressions nor improvements, however certain."""
    max_errors: int = 0
    """Errored samples a task and side that are tolerated."""
    max_rise: float = 5.0
    """Points by which the share of unparsed, or of truncated, answers may rise."""
    allow_partial: bool = False
    """Whether runs that answered different samples are compared on those that both have."""


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric of one task of two runs."""

    metric: str
    verdict: Verdict
    difference: Difference
    p: float | None = None
    """Adjusted by Holm's method: primary metrics over the tasks compared, the other metrics among themselves."""


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """One task of two runs; `metric`, `verdict`, `difference` and `p` are those of its primary metric."""

    task: str
    metric: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    """Why the runs are incomparable: what differs."""
    gates: tuple[str, ...] = ()
    """Hard gates that failed; the verdict is incomparable then, whatever the numbers are."""
    difference: Difference | None = None
    p: float | None = None
    others: tuple[MetricComparison, ...] = ()
    """Metrics that are not primary: for information, no part of the gate."""
    subset: tuple[int, int] | None = None
    """(samples compared, samples of both runs together) if they are not all."""
    flips: Flips | None = None
    """None if no metric is a mean of values that each unit has."""
    cells: tuple[Cell, ...] = ()
    """Those that lost most first, by the upper end of their interval."""
    surprising: bool = False
    """A gain of more than 3 standard errors without a change of weights."""

    @property
    def coverage(self) -> float:
        """Samples compared over samples of both runs together, 0..1."""
        return self.subset[0] / self.subset[1] if self.subset else 1.0


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean difference over several tasks with the same primary metric."""

    metric: str
    tasks: tuple[str, ...]
    average: Average


@dataclass(frozen=True, slots=True)
class RunComparison:
    """All tasks that two runs share."""

    baseline: Run
    candidate: Run
    tasks: tuple[TaskComparison, ...]
    missing: tuple[str, ...]
    """Tasks that only one of the two has."""
    means: tuple[Mean, ...] = ()
    changes: tuple[Change, ...] = ()
    """What else is known to differ."""
    floors: Mapping[str, Floor] = field(default_factory=dict)
    """Noise floor of the stored baseline by task, where it was measured."""

    @property
    def comparable(self) -> bool:
        """Whether any task could be compared."""
        return any(task.verdict is not Verdict.INCOMPARABLE for task in self.tasks)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The first of `WORST_FIRST` among `verdicts`; without any, incomparable."""
    return min(verdicts, key=WORST_FIRST.index, default=Verdict.INCOMPARABLE)


def exit_code(comparisons: Sequence[RunComparison], *, explicit: bool, strict: bool = False) -> int:
    """What the process returns: the first of these that holds.

    3: anything regressed. 5: a hard gate failed, or nothing could be compared, or, among runs named one by one,
    anything not. 4: `strict`, and anything is inconclusive. 0.
    """
    tasks = [task for comparison in comparisons for task in comparison.tasks]
    verdicts = [task.verdict for task in tasks]
    if Verdict.REGRESSION in verdicts:
        return EXIT_REGRESSION
    lost = Verdict.INCOMPARABLE in verdicts or not all(comparison.tasks for comparison in comparisons)
    if (explicit and lost) or not any(comparison.comparable for comparison in comparisons):
        return EXIT_INCOMPLETE
    if any(task.gates for task in tasks):
        return EXIT_INCOMPLETE
    return EXIT_INCONCLUSIVE if strict and Verdict.INCONCLUSIVE in verdicts else 0
