"""How many samples a comparison needs, planned from a run, from two runs, or from assumptions alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqeval.comparing import metrics_of
from sqeval.errors import UserError
from sqeval.registry import get_task, parse_tasks
from sqeval.runs import TaskRun, load_run
from sqeval.stats import difference, estimate
from sqeval.stats.power import Design, mde, power_of

SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Parts of the whole set that the table shows, besides what was asked for."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """What is assumed where nothing was measured."""

    flips: float = 0.06
    """Share of answers that change between right and wrong: the variance of a pair's difference."""
    design_effect: float = 1.5
    correlation: float = 0.85
    """Of the two runs' scores over samples, if only one of the two is known."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A design with the size of the whole set and where it comes from."""

    task: str
    metric: str
    design: Design
    images: int
    """Of the whole set."""
    source: str
    """What was measured and what was assumed, in words."""


@dataclass(frozen=True, slots=True)
class Size:
    """What a comparison of so many whole images finds."""

    images: int
    units: int
    mde: float
    """Smallest true difference found with the power asked for."""
    power: float
    """Probability of finding the effect asked for, 0..1."""
    needed: bool = False
    """The smallest size that finds it."""


def plans(runs: Sequence[Path], tasks: str | None, given: Assumed) -> list[Plan]:
    """One plan a task: from two runs, from one, or from `tasks` alone. Raises UserError with neither."""
    if len(runs) > 2:
        raise UserError("give one run, or two, to plan from")
    loaded = [load_run(path) for path in runs]
    names = [task.name for task in parse_tasks(tasks)] if tasks else list(loaded[0].tasks) if loaded else []
    if not names:
        raise UserError("give a run, or name a benchmark: sqeval power --task gqa")
    for run in loaded:
        for name in names:
            if name not in run.tasks:
                raise UserError(f"{run.path} has no task {name}; it has: {', '.join(run.tasks)}")
    if not loaded:
        return [assumed(name, given) for name in names]
    if len(loaded) == 1:
        return [from_run(loaded[0].tasks[name], given) for name in names]
    return [from_pair(loaded[0].tasks[name], loaded[1].tasks[name]) for name in names]


def assumed(task: str, given: Assumed) -> Plan:
    """A plan from the size that the task states alone. Raises UserError if it states none."""
    known = get_task(task)
    for split, words in known.splits.items():
        found = re.search(r"([\d,]+) questions on ([\d,]+) images", words)
        if found:
            units, images = (int(number.replace(",", "")) for number in found.groups())
            source = f"{split}: {found.group()}; {_in_words(given)}; a run of yours knows better"
            design = Design(given.flips, given.design_effect, units / images)
            return Plan(task, known.primary, design, images, source)
    raise UserError(f"task {task} does not state its number of questions and images; give a run: sqeval power RUN")


def from_run(run: TaskRun, given: Assumed) -> Plan:
    """A plan from the variance and clustering of one run, and an assumed correlation with the other.

    Of a run in which every image scores the same, only the size tells something.
    """
    found = estimate(metrics_of(run)[run.result["primary"]])
    if found.stderr is None or found.clusters < 2:
        raise UserError(f"{run.path}: fewer than two images; give a run about more")
    name, units = str(run.result["primary"]), found.n / found.clusters
    if not found.stderr:
        source = f"every image of this run scores the same, which tells no variance; {_in_words(given)}"
        return Plan(run.name, name, Design(given.flips, given.design_effect, units), found.clusters, source)
    effect = found.design_effect or 1.0
    variance = 2 * (1 - given.correlation) * found.stderr**2 * found.n / effect
    told = f"design effect {effect:.2f}, effective n {found.n / effect:,.0f}" if found.design_effect else "bootstrap"
    source = f"standard error of this run {100 * found.stderr:.2f} ({told}); assumed: correlation {given.correlation:g}"
    return Plan(run.name, name, Design(variance, effect, units), found.clusters, source)


def _in_words(given: Assumed) -> str:
    return (
        f"assumed: {100 * given.flips:g} % of the answers change between right and wrong, "
        f"design effect {given.design_effect:g}"
    )


def from_pair(base: TaskRun, candidate: TaskRun) -> Plan:
    """A plan from the difference of two runs: everything is measured."""
    name = str(base.result["primary"])
    found = difference(metrics_of(base)[name], metrics_of(candidate)[name])
    if not found.stderr:
        raise UserError(f"{base.path} and {candidate.path} do not differ; give runs of two models, or one run alone")
    effect = found.design_effect or 1.0
    told = f", design effect {effect:.2f}, effective n {found.n / effect:,.0f}" if found.design_effect else ""
    source = f"standard error of the difference of these two runs {100 * found.stderr:.2f}{told}"
    design = Design(found.stderr**2 * found.n / effect, effect, found.n / found.clusters)
    return Plan(base.name, name, design, found.clusters, source)


def sizes(
    plan: Plan, effect: float, *, alpha: float, power: float, units: int | None = None, images: int | None = None
) -> list[Size]:
    """Parts of the whole set, what `units` or `images` ask for, and the smallest size that finds `effect`."""
    needed = plan.design.images_for(effect, alpha, power)
    wanted = {max(2, round(share * plan.images)) for share in SHARES} | {needed}
    wanted |= set() if images is None else {images}
    wanted |= set() if units is None else {max(2, round(units / plan.design.per_image))}
    return list(_rows(plan, sorted(wanted), needed, effect, alpha, power))


def _rows(plan: Plan, wanted: Iterable[int], needed: int, effect: float, alpha: float, power: float) -> Iterable[Size]:
    for images in wanted:
        stderr = plan.design.stderr(images)
        chance = power_of(effect, stderr, alpha)
        yield Size(images, plan.design.units(images), mde(stderr, alpha, power), chance, images == needed)
