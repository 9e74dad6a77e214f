"""From responses to judged records: the step between a judged task's answers and its metrics.

A response is judged, waits for a judge, or has failed to get a reply.  Metrics exist only when every response of the
task is judged, by one judge in one version: nothing is scored as if there had been a reply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from sqeval.judge import URL, Judge, JudgeError, Reply, judge_from_environment
from sqeval.judged import JudgedTask, is_published
from sqeval.judgements import Judgements
from sqeval.planner import digest
from sqeval.records import Record
from sqeval.task import Sample
from sqeval.threads import in_order

Judgement = Mapping[str, Any]
"""As it stands in samples.jsonl: judge, place, versions, key, rounds, error."""
WORKERS = 8
"""Questions that are with the judge at a time."""
PATIENCE = 5
"""Questions that may fail one after the other before the judge is taken for dead."""
_SHOWN = 3
_QUOTED = 80


@dataclass
class Bench:
    """A judge at work."""

    judge: Judge
    cache: Judgements
    rounds: int = 1
    """How often each response is judged."""
    anew: bool = False
    """Whether what records say of an earlier judgement is passed over."""
    stopped: Event = field(default_factory=Event)
    """Set when it is of no use to ask this judge anything more."""
    failures: int = 0
    """In a row."""


@dataclass(frozen=True, slots=True)
class Judged:
    """All records of a task after judging."""

    records: Sequence[Record]
    judge: dict[str, Any] | None
    """As it stands in metrics.json; None if some response is not judged, or there is none."""
    waits: str | None
    """Why not, and how to go on."""


def bench(name: str, rounds: int, *, fresh: bool) -> Bench:
    """The judge called `name`, with what it said before unless `fresh`. Raises UserError."""
    judge = judge_from_environment(name)
    return Bench(judge, Judgements(judge, reuse=not fresh), rounds, anew=fresh)


def judge_all(
    task: JudgedTask,
    samples: Mapping[str, Sample],
    records: Sequence[Record],
    by: Bench | None,
    judged: Callable[[int], object] = int,
) -> Judged:
    """Judge all responses of a task; without a judge, score those that carry a judgement already.

    `judged` is told how many are done, one after the other.
    """
    done: list[Record] = []
    try:
        for record in in_order(lambda record: _record(task, samples[record.id], record, by), records, WORKERS):
            done.append(record)
            judged(len(done))
    except BaseException:
        if by is not None:
            by.stopped.set()  # those that wait to ask again would go on behind our back
        raise
    waiting = [record for record in done if record.error is None and not _has_rounds(record)]
    if waiting:
        return Judged(done, None, _why(task, waiting, len(done), by))
    found = [record.judgement for record in done if record.judgement is not None]
    judges = {(j["judge"], j.get("place"), version, len(j["rounds"])) for j in found for version in j["versions"]}
    if len(judges) > 1:
        return Judged(done, None, _mixed(task, judges))
    told = [{"name": name, "version": version, "rounds": rounds} for name, _, version, rounds in judges]
    return Judged(done, told[0] if told else None, None)


def _record(task: JudgedTask, sample: Sample, record: Record, by: Bench | None) -> Record:
    """The record with the judgement of its response, or with the reason why there is none."""
    if record.response is None:
        return record
    judgement = _standing(task, sample, record, by)
    if judgement is None and by is not None and not by.stopped.is_set():
        judgement = _judgement(task, sample, record.response, by)
    if judgement is None or not judgement["rounds"]:
        return record.but(judgement=judgement, parsed=None, scores={})
    score = task.judged(sample, judgement["rounds"])
    return record.but(judgement=judgement, parsed=score.parsed, scores=dict(score.values))


def _standing(task: JudgedTask, sample: Sample, record: Record, by: Bench | None) -> Judgement | None:
    """The judgement that the record has, if it is about the same question and, where there is a judge, by that one."""
    found = record.judgement
    if found is None or not found["rounds"]:
        return None
    if is_published(found):
        return found
    if found["key"] != _key(task, sample, str(record.response)):
        return None
    if by is None:
        return found
    theirs = found["judge"], found.get("place"), len(found["rounds"])  # no place: of before there was one
    same = theirs == (by.judge.name, by.judge.place, by.rounds)
    return found if same and found["error"] is None and not by.anew else None


def _judgement(task: JudgedTask, sample: Sample, response: str, by: Bench) -> Judgement:
    told: dict[str, Any] = {"judge": by.judge.name, "place": by.judge.place, "versions": []}
    told["key"] = _key(task, sample, response)
    try:
        rounds = [_round(task, sample, response, number, by) for number in range(by.rounds)]
    except JudgeError as error:
        by.failures += 1
        if error.fatal or by.failures >= PATIENCE:
            by.stopped.set()
        return {**told, "rounds": [], "error": str(error)}
    by.failures = 0
    versions = sorted({reply.version for replies in rounds for reply in replies})
    texts = [[reply.text for reply in replies] for replies in rounds]
    unread = [replies[-1] for replies in texts if task.judged(sample, [replies]).parsed is None]
    problem = f"the judge's reply cannot be read: {unread[0][:_QUOTED]!r}" if unread else None
    return {**told, "versions": versions, "rounds": texts, "error": problem}


def _round(task: JudgedTask, sample: Sample, response: str, number: int, by: Bench) -> list[Reply]:
    """One round. Replies that were kept from before are asked for anew if they could not be read in the end."""
    replies, kept = _replies(task, sample, response, number, by, reuse=True)
    if kept and task.judged(sample, [[reply.text for reply in replies]]).parsed is None:
        replies, _ = _replies(task, sample, response, number, by, reuse=False)
    return replies


def _replies(
    task: JudgedTask, sample: Sample, response: str, number: int, by: Bench, *, reuse: bool
) -> tuple[list[Reply], bool]:
    """The replies of a round, and whether any was kept from before."""
    replies: list[Reply] = []
    kept = False
    while (inquiry := task.inquire(response, sample, [reply.text for reply in replies])) is not None:
        key = by.cache.key(inquiry, number)
        reply = by.cache.get(key) if reuse else None
        kept = kept or reply is not None
        if reply is None:
            reply = by.judge.ask(inquiry, by.stopped)
            by.cache.put(key, reply)
        replies.append(reply)
    return replies, kept


def _key(task: JudgedTask, sample: Sample, response: str) -> str:
    """SHA-256 of what the judge is asked first, whoever it is: a changed prompt or response is judged again."""
    inquiry = task.inquire(response, sample, [])
    assert inquiry is not None, f"{task.name}: a round has a question"
    return digest(inquiry.messages, inquiry.max_tokens, inquiry.temperature)


def _has_rounds(record: Record) -> bool:
    return record.judgement is not None and bool(record.judgement["rounds"])


def _why(task: JudgedTask, waiting: Sequence[Record], total: int, by: Bench | None) -> str:
    if by is None:
        return (
            f"{task.name}: {len(waiting):,} of {total:,} responses await a judge and are kept; repeat the command with "
            f"--judge {task.judge} ({URL} and key from the environment), or judge the folder later with "
            "`sqeval score --predictions FOLDER --judge NAME`"
        )
    failed = [record for record in waiting if record.judgement is not None]
    first = "; ".join(f"{record.id}: {record.judgement['error']}" for record in failed[:_SHOWN] if record.judgement)
    why = f"{len(failed):,} failed: {first}" if failed else "since the judge had failed before"
    return (
        f"{task.name}: {len(waiting):,} of {total:,} responses are not judged, {why}; "
        f"the judge is {by.judge.name} at {by.judge.url}; what there is is kept, and the same command goes on"
    )


def _mixed(task: JudgedTask, judges: set[tuple[str, str | None, str, int]]) -> str:
    told = sorted({(name, version, rounds) for name, _, version, rounds in judges})
    named = " and ".join(f"{name} ({version}, {rounds} rounds)" for name, version, rounds in told)
    if len(told) < len(judges):
        named += f" at different addresses ({URL})"
    return (
        f"{task.name}: judged by {named}, which are never mixed; name a judge that stays the same, such as "
        f"{task.judge} at one address, and judge the folder anew with `sqeval score --predictions FOLDER --judge NAME "
        "--name OTHER --fresh`"
    )
