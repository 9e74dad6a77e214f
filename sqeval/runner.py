"""One task of a run: its samples, what is still to be asked, the record of an answer, the metrics of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from sqeval import epochs as repeats
from sqeval.data.collection import paused
from sqeval.data.root import DataRoot
from sqeval.errors import DataError, UserError
from sqeval.judged import JudgedTask, is_published
from sqeval.judging import Bench, judge_all
from sqeval.model import Completion, Model, Verbatim
from sqeval.models.replay import Replay, completion
from sqeval.planner import Question, prompts_hash, questions, select
from sqeval.protocol import ASKED
from sqeval.records import Record
from sqeval.rundir import TaskFolder
from sqeval.scorers import scorer_hash
from sqeval.stats import estimate
from sqeval.task import Sample, Task

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Load:
    """A task with its samples, read before the model is, so that bad data is found at once."""

    task: Task
    samples: Sequence[Sample]
    """All of the task, in the official order, or the part that there is nothing else beside."""
    asked: Sequence[Sample]
    """Those that this run asks."""
    data_hash: str
    data_version: str | None
    source: Mapping[str, Any]
    """Where the files come from, if that is not the folder that was named."""
    whole: bool = True
    """Whether `samples` are all of the task."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one model is asked about one task, and what it has answered before."""

    load: Load
    questions: Sequence[Question]
    kept: dict[str, Completion]
    """Answers by sample id that are still valid."""
    hashes: dict[str, str | None]
    """As in metrics.json."""
    finished: dict[str, Any] | None
    """metrics.json, if there is nothing left to do."""

    @property
    def name(self) -> str:
        """Of the task."""
        return self.load.task.name


@dataclass(frozen=True, slots=True)
class Result:
    """A task whose last answer is in."""

    task: str
    metrics: dict[str, Any] | None
    """Content of metrics.json; None if the task is not finished."""
    errors: Sequence[tuple[str, str]]
    """Id and message of the first errored samples."""
    waits: str | None = None
    """Why it is not finished, and how to go on."""


@paused()
def load(task: Task, root: DataRoot, limit: int | None, seed: int, epochs: int = 1) -> Load:
    """Read the task's samples and choose those to ask, each `epochs` times.

    Raises DataError for bad or empty data, UserError if the task cannot be scored on this machine.
    """
    task.require()
    root = root.for_task(task.name)
    samples = task.samples(root)
    if not samples:
        raise DataError(
            f"task {task.name} finds no sample here; `sqeval data check {root.name}` tells why", file=root.path
        )
    ids = [sample.id for sample in samples]
    if len(set(ids)) < len(ids):
        twice = next(name for name, count in Counter(ids).items() if count > 1)
        raise DataError(f"task {task.name}: two samples have the id {twice!r}", file=root.path)
    asked = repeats.repeated(select(samples, limit, seed), epochs)
    version = task.data_version(root, samples)
    return Load(task, samples, asked, root.hash(), version, root.sources.get(task.name, {}))


def part(load: Load, ids: Collection[str] | None) -> Load:
    """The same of the samples with these ids alone, as if there were no others; all, if it is None."""
    if ids is None or len(ids) == len(load.asked):
        return load
    samples = [sample for sample in load.samples if sample.id in ids]
    what = f"{len(samples):,} of {len(load.samples):,} samples"
    version = what if load.data_version is None else f"{load.data_version}, {what}"
    asked = [sample for sample in load.asked if sample.id in ids]
    return replace(load, samples=samples, asked=asked, data_version=version, whole=False)


@paused()
def plan(load: Load, model: Model, folder: TaskFolder, by: Bench | None = None) -> Plan:
    """Compare what is to be asked with what `folder` holds. Reads only. Raises DataError for a damaged folder.

    A task with judgements that could not be read is not finished if there is a judge to ask again.
    """
    task, who = load.task, model.identity
    asked = questions(task, load.asked, who, answered=isinstance(model, Replay))
    records, _ = folder.records()
    hashes = {question.sample.id: question.hash for question in asked} if records else {}
    kept = {r.id: completion(task.name, r) for r in records if r.error is None and hashes.get(r.id) == r.request_hash}
    wanted: dict[str, str | None] = {
        "data": load.data_hash,
        "prompts": prompts_hash(task, load.samples, asked, who.details.get(ASKED)),
        "scorer": scorer_hash(task),
        "checkpoint": who.checkpoint_hash,
    }
    metrics = folder.metrics()
    whole = len(kept) == len(asked) and not (by and any(a.judgement and a.judgement["error"] for a in kept.values()))
    finished = metrics if metrics and metrics["hashes"] == wanted and whole else None
    return Plan(load, asked, kept, wanted, finished)


def record(task: Task, question: Question, answer: Completion) -> Record:
    """The scored line of samples.jsonl. Raises UserError if the task scores with what is no number."""
    sample = question.sample
    response = None if answer.error is not None else _storable(answer.text)
    verbatim = isinstance(response, Verbatim)
    judged = answer.judgement is not None and response is not None and isinstance(task, JudgedTask)
    score = task.score(response, sample)
    return Record(
        id=sample.id,
        cluster=sample.cluster,
        image=None if sample.image is None else sample.image.key,
        question=sample.question,
        prompt=question.prompt,
        response=None if response is None else str(response),
        parsed=None if score.parsed is None else str(score.parsed),
        reference=sample.reference,
        scores=_finite(task, sample.id, score.values),
        tags=sample.tags,
        finish_reason=answer.finish_reason if answer.error is None or answer.finish_reason == "missing" else "error",
        error=None if answer.error is None else _storable(answer.error) or "unknown error",
        request_hash=question.hash,
        verbatim=verbatim,
        judgement=answer.judgement if judged else None,
    )


@paused()
def finish(
    plan: Plan,
    records: Sequence[Record],
    folder: TaskFolder,
    by: Bench | None = None,
    *,
    judged: Callable[[int], object] = int,
    written: bool = False,
) -> Result:
    """Compute the metrics of all of the task's records, in the order of its questions, and complete its folder.

    A task that is judged is judged first, `by` whom it may be, and stays open if a response is left unjudged; `judged`
    is told how many are done. `written`: the folder holds the records as they are.
    """
    task, judge = plan.load.task, None
    if isinstance(task, JudgedTask):
        told = judge_all(task, {q.sample.id: q.sample for q in plan.questions}, records, by, judged)
        records, judge = told.records, told.judge
        if told.waits is not None:
            folder.replace(records)
            folder.submit(_submissions(plan, repeats.by_epoch(records)))  # the benchmark's own judge may take it
            return Result(task.name, None, _errors(records), told.waits)
    each = repeats.by_epoch(records)
    extra = repeats.corpus_scores(task, each, plan.load.samples)
    if extra is not None:
        records = [r.with_scores(_finite(task, r.id, more)) for r, more in zip(records, extra, strict=True)]
        each = repeats.by_epoch(records)
    metrics = {metric.name: estimate(metric).to_json() for metric in repeats.metrics(task, each)}
    if task.primary not in metrics:
        raise UserError(f"task {task.name} gives no metric {task.primary!r}, which it calls its primary one")
    if extra is not None or not written:
        folder.replace(records)
    result = {
        "task": task.name,
        "version": task.version,
        "protocol": task.protocol,
        "data_version": plan.load.data_version,
        "primary": task.primary,
        "metrics": metrics,
        "not_computed": dict(task.not_computed()),
        "counts": counts(records),
        "judge": judge,
        "hashes": plan.hashes,
    }
    folder.finish(result, _submissions(plan, each))
    return Result(task.name, result, _errors(records))


def counts(records: Sequence[Record]) -> dict[str, int]:
    """How many answers there are, and how many of them have something wrong."""
    failed = _failed(records)
    missing = sum(r.missing for r in failed)
    unparsed = sum(r.parsed is None for r in records) - sum(r.parsed is None for r in failed)
    return {
        "n": len(records),
        "scored": len(records) - len(failed) - unparsed,
        "unparsed": unparsed,
        "errored": len(failed) - missing,
        "missing": missing,
        "truncated": sum(r.truncated for r in records),
    }


def _submissions(plan: Plan, each: Sequence[Sequence[Record]]) -> dict[str, bytes]:
    """Content by suffix. One answer a question, of the first epoch, and all questions: servers refuse other files.

    None where only judgements are known.
    """
    task, answers = plan.load.task, each[0] if each else ()
    if len(answers) != len(plan.load.samples) or not plan.load.whole:
        return {}
    if isinstance(task, JudgedTask) and any(is_published(answer.judgement) for answer in answers):
        return {}
    usual = task.submission(answers)
    return {**dict([usual] if usual else []), **task.other_submissions(answers)}


def _errors(records: Sequence[Record]) -> list[tuple[str, str]]:
    return [(r.id, str(r.failure)) for r in _failed(records)[:SHOWN]]


def _failed(records: Sequence[Record]) -> list[Record]:
    """Those without an answer, or without a judgement of it."""
    return [record for record in records if record.errored]


def _finite(task: Task, key: str, scores: Mapping[str, float]) -> Mapping[str, float]:
    """The scores of a sample. Raises UserError about what JSON has no number for, and could not be read again."""
    if not all(map(isfinite, scores.values())):
        raise UserError(f"task {task.name} scores {key!r} with {dict(scores)}; scores are finite numbers")
    return scores


def _storable(text: str) -> str:
    """Text that a UTF-8 file can hold: halves of surrogate pairs become the replacement character."""
    if text.isascii():
        return text
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return Verbatim(whole) if isinstance(text, Verbatim) else whole
