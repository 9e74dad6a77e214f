"""A whole run: read the data, load the model once, ask all tasks together, keep the run folder true at every moment."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqeval import asking, runfile, runner
from sqeval.data.places import open_root
from sqeval.errors import IncompleteError, UserError
from sqeval.judged import JudgedTask
from sqeval.judging import Bench, bench
from sqeval.models.loading import loaded, model_kind
from sqeval.models.replay import Replay
from sqeval.progress import Progress, Silent
from sqeval.protocol import OFFICIAL, other_images
from sqeval.registry import parse_tasks
from sqeval.rundir import SUBMISSION, RunFolder, opened
from sqeval.throughput import Meter, sentences

if TYPE_CHECKING:
    from sqeval.config import RunConfig
    from sqeval.data.root import DataRoot
    from sqeval.model import Model
    from sqeval.task import Task


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run, as it stands on disk."""

    folder: Path
    run: Mapping[str, Any]
    """Content of run.json."""
    metrics: Mapping[str, Mapping[str, Any]]
    """Content of metrics.json by task, for the tasks asked for."""
    errors: Mapping[str, Sequence[tuple[str, str]]]
    """Id and message of the first errored samples by task."""
    untouched: bool = False
    """Everything was there already; nothing was asked or written."""
    waits: Mapping[str, str] = field(default_factory=dict)
    """Why a task has no metrics, and how to go on, by task: its responses are not judged."""

    @property
    def errored(self) -> int:
        """Number of errored samples."""
        return sum(int(metrics["counts"]["errored"]) for metrics in self.metrics.values())

    def hidden(self, task: str) -> list[Path]:
        """Submissions of a task whose answers are hidden, so that they are all there is."""
        result = self.metrics[task]
        known = result["metrics"][result["primary"]]["value"] is not None
        return [] if known else sorted((self.folder / task).glob(f"{SUBMISSION}.*"))

    def to_json(self) -> dict[str, Any]:
        """For programs: the run folder, metrics.json of each task, and what went wrong."""
        return {
            "folder": str(self.folder),
            "name": self.run["name"],
            "untouched": self.untouched,
            "tasks": dict(self.metrics),
            "errored": self.errored,
            "errors": {task: [{"id": key, "error": why} for key, why in some] for task, some in self.errors.items()},
            "waits": dict(self.waits),
        }

    def require_success(self, max_errors: int) -> None:
        """Raise IncompleteError for more errored samples than `max_errors`, and for responses that are not judged."""
        open_ends = list(self.waits.values())
        if self.errored > max_errors:
            judged = any(metrics.get("judge") and metrics["counts"]["errored"] for metrics in self.metrics.values())
            worth = "wrong, or as the protocol has it where a judge's reply cannot be read" if judged else "wrong"
            open_ends.append(
                f"{self.errored:,} samples errored and count as {worth} (--max-errors {max_errors}); "
                "put the cause right and repeat the command: it asks them again"
            )
        if open_ends:
            raise IncompleteError("\n".join(open_ends))


def evaluate(
    config: RunConfig,
    *,
    model: Model | None = None,
    fresh: bool = False,
    command: str = "",
    kind: str = "run",
    progress: Progress | None = None,
) -> Outcome:
    """Do what `config` says, or continue where an earlier call with the same configuration stopped.

    model: one that is loaded already; `config` then merely describes it.
    fresh: discard what the folder holds.
    command: recorded as it is.
    kind: ``run``, or ``score`` for answers that exist already, which needs no images.

    Tasks that the folder has of earlier calls stay. Errored samples and responses that are not judged do not raise:
    look at `Outcome.errored` and `Outcome.waits`. Raises UserError for bad input and for a folder of another
    configuration, IncompleteError if the model leaves questions unanswered.
    """
    progress = progress or Silent()
    config = config.model_copy(update={"model": model.identity.kind if model else model_kind(config)})
    loads = _read(config, kind, progress)
    config = config.model_copy(update={"tasks": tuple(load.task.name for load in loads)})
    by = _bench(config, loads, fresh, progress)
    told: dict[str, Any] = {"kind": kind, "config": config.to_json()}
    told["data"] = {load.task.name: load.data_hash for load in loads}
    told["sources"] = {load.task.name: dict(load.source) for load in loads if load.source}
    with opened(config.folder) as folder, ExitStack() as stack:
        began = time.monotonic()
        before = None if fresh else folder.read()
        runfile.require_same(before, told, folder.path)  # before minutes go into loading weights
        if model is None:
            with progress.waiting(f"loading {config.ckpt or config.model}"):
                model = stack.enter_context(loaded(config, progress))
        for line in other_images((load.task for load in loads), model.identity):
            progress.note(line)
        told["identity"] = asdict(model.identity)
        runfile.require_same(before, told, folder.path)
        if isinstance(model, Replay):
            for load in loads:  # before anything is written: a bad file leaves no run folder behind
                _fit(model, load, by, progress)
            loads = [runner.part(load, model.of_part(load.task)) for load in loads]
        if fresh:
            folder.clear()
        plans = [runner.plan(load, model, folder.task(load.task.name), by) for load in loads]
        finished = {plan.name: plan.finished for plan in plans if plan.finished is not None}
        if before is not None and before["status"] == "complete" and len(finished) == len(plans):
            return Outcome(folder.path, before, finished, {}, untouched=True)
        outcome = _carry_out(plans, model, folder, runfile.begin(told, before, command), progress, by)
        run = runfile.end(dict(outcome.run), time.monotonic() - began)
        folder.write(run)
        return replace(outcome, run=run)


def available(names: Sequence[str], root: DataRoot, protocol: str = OFFICIAL) -> tuple[list[Task], list[str]]:
    """The tasks of these names, all of whose files `root` must have.

    ``all`` stands for those that it has the files of; the names of the others are returned too. Raises UserError with
    everything that is missing, and where it comes from.
    """
    tasks = parse_tasks(",".join(names), protocol)
    lacking = {task.name: lines for task in tasks if (lines := _missing(task, root))}
    if tuple(names) == ("all",) and len(lacking) < len(tasks):
        return [task for task in tasks if task.name not in lacking], list(lacking)
    if lacking:
        hint = f"`sqeval data check {root.name}` shows which benchmarks it is ready for"
        lines = [line for found in lacking.values() for line in found]
        raise UserError("\n".join([f"--data {root.name} lacks files:", *lines, hint]))
    return tasks, []


def _missing(task: Task, root: DataRoot) -> list[str]:
    root = root.for_task(task.name)
    split = f" (split {root.split})" if root.split else ""
    return [
        f"  {task.name}{split}: {root.place(wanted)} (from {wanted.source})"
        for wanted in task.wanted(root)
        if wanted.required and not root.has(wanted)
    ]


def _read(config: RunConfig, kind: str, progress: Progress) -> list[runner.Load]:
    """All samples of all tasks. Scoring needs no images, so that they may be missing."""
    with progress.waiting(f"reading {config.data}"):
        tasks = parse_tasks(",".join(config.tasks), config.protocol)
        root = open_root(config.data, tasks, images=config.images, splits=config.split)
        for name, source in root.sources.items():
            if not source.get("hub_reached", True):
                progress.note(f"{name}: the hub cannot be reached; revision {source['revision']} is from the cache")
        if kind == "run":
            tasks, left_out = available(config.tasks, root, config.protocol)
            if left_out:
                progress.note(f"not in {config.data}, and left out: {', '.join(left_out)}")
        for task in tasks:
            temperature = task.settings.temperature if config.temperature is None else config.temperature
            if temperature or config.temperature is not None:
                task.settings = replace(task.settings, temperature=temperature, seed=config.seed)
        if config.epochs > 1 and kind == "run" and not any(task.settings.temperature for task in tasks):
            progress.note("--epochs repeats greedy answers, which hardly differ; --temperature draws them")
        return [runner.load(task, root, config.limit, config.seed, config.epochs) for task in tasks]


def _bench(config: RunConfig, loads: Sequence[runner.Load], fresh: bool, progress: Progress) -> Bench | None:
    """The judge that `config` names, if there is anything to judge. Raises UserError."""
    if config.judge is None:
        return None
    if not any(isinstance(load.task, JudgedTask) for load in loads):
        progress.note(f"--judge {config.judge}: none of these tasks is judged")
        return None
    return bench(config.judge, config.judge_rounds, fresh=fresh)


def _fit(model: Replay, load: runner.Load, by: Bench | None, progress: Progress) -> None:
    """Read the answers to a task. Raises UserError for a judge where there is nothing to judge, DataError."""
    model.fit(load.task, load.asked)
    if not (isinstance(load.task, JudgedTask) and model.published(load.task.name)):
        return
    known = f"{load.task.name}: judgements are known, and not the responses"
    if by is not None:
        raise UserError(f"--judge {by.judge.name}: {known}, so that nothing can be judged; leave it out")
    progress.note(known)


def _carry_out(
    plans: Sequence[runner.Plan],
    model: Model,
    folder: RunFolder,
    run: dict[str, Any],
    progress: Progress,
    by: Bench | None,
) -> Outcome:
    """Ask what is open; run.json tells after each finished task what is known."""
    metrics = {plan.name: plan.finished for plan in plans if plan.finished is not None}
    errors: dict[str, Sequence[tuple[str, str]]] = {}
    waits: dict[str, str] = {}
    for known in metrics.values():
        run = runfile.with_task(run, known)
    folder.write(run)
    todo = [plan for plan in plans if plan.finished is None]
    meter = Meter(model)
    with closing(asking.ask(todo, model, folder, progress, meter, by)) as results:
        for result in results:
            errors[result.task] = result.errors
            if result.metrics is None:
                waits[result.task] = str(result.waits)
                run = runfile.without_task(run, result.task)
            else:
                metrics[result.task] = result.metrics
                run = runfile.with_task(run, result.metrics)
            folder.write(run)
    throughput = meter.throughput()
    if throughput is not None:
        run = {**run, "throughput": throughput}
        for line in sentences(throughput):
            progress.note(line)
    ordered = {plan.name: metrics[plan.name] for plan in plans if plan.name in metrics}
    return Outcome(folder.path, run, ordered, errors, waits=waits)
