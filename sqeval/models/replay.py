"""Answers that exist already: a predictions file in a benchmark's result format, or a run of ours.

Of a task that is judged there may also be published judgements, without the answers that they are about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqeval.config import RunConfig
from sqeval.data.collection import paused
from sqeval.data.join import STRICT, Allow, joined
from sqeval.errors import DataError, UserError
from sqeval.judged import JudgedTask, Verdict, Verdicts, is_published
from sqeval.model import Completion, FinishReason, Group, Identity, Verbatim
from sqeval.models.kinds import ModelKind, Note
from sqeval.protocol import ASKED, OFFICIAL, protocol_of
from sqeval.records import Record
from sqeval.rundir import RUN, SAMPLES, read_json, read_records

if TYPE_CHECKING:
    from sqeval.task import Sample, Task

MISSING = "no prediction in the file"
UNKNOWN = "unknown"
"""Version of a judge of which a file of judgements does not tell it."""


class Replay:
    """Repeats the answers in `path`: a predictions file or folder, a samples.jsonl, or a run folder of ours.

    The identity is that of the model that gave the answers, where a run folder tells it.
    """

    def __init__(self, path: Path, allow: Allow = STRICT, protocol: str = OFFICIAL) -> None:
        """protocol: the one by which the answers are to be scored.

        Raises UserError if there is nothing at `path`, DataError for a broken run.json.
        """
        if not path.exists():
            raise UserError(f"{path}: no such file or folder; give predictions, or a run folder")
        self._path, self._allow = path, allow
        run = read_json(path / RUN)
        self.of_run = run is not None
        self._answers: dict[str, Mapping[str, Completion | str]] = {}
        """Of each task by id; a text alone, of which there may be hundreds of thousands, is an answer and no more."""
        self.identity = _identity(path, run, protocol)

    def of_part(self, task: Task) -> Collection[str] | None:
        """Ids of the samples that a part alone is about, of a task that was fitted; None: it is about all."""
        return self._answers[task.name].keys() if self._allow.part else None

    @paused()
    def fit(self, task: Task, samples: Sequence[Sample]) -> None:
        """Read the answers to `samples`, all of a run, which must be those in the file but for what `allow` says; once
        a task. Raises DataError."""
        if task.name in self._answers:
            return
        path = self._path / task.name / SAMPLES if self.of_run else self._path
        if self.of_run or _is_ours(path):
            self._answers[task.name] = _ours(path, task.name, samples, self._allow)
        elif isinstance(task, JudgedTask) and (found := task.read_judgements(path, samples, self._allow)) is not None:
            self._answers[task.name] = _judged(task, found, samples)
        else:
            self._answers[task.name] = task.read_predictions(path, samples, self._allow)

    def published(self, task: str) -> bool:
        """Whether judgements of this task, which was fitted, are known without the responses."""
        answers = self._answers[task].values()
        return any(isinstance(answer, Completion) and is_published(answer.judgement) for answer in answers)

    def answer(self, task: str, key: str) -> Completion:
        """The answer to one question of a task that was fitted."""
        found = self._answers[task].get(key)
        if found is None:
            return Completion(task, key, "", "missing", error=MISSING)
        return found if isinstance(found, Completion) else Completion(task, key, found)

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        for group in groups:
            for request in group.requests:
                yield self.answer(request.task, request.id)


def _is_ours(path: Path) -> bool:
    """Whether a file holds records of ours; others may have that name."""
    if path.name != SAMPLES or not path.is_file():
        return False
    with path.open("rb") as stream:
        return b'"request_hash"' in stream.readline()


def _ours(path: Path, task: str, samples: Sequence[Sample], allow: Allow) -> dict[str, Completion]:
    if not path.is_file():
        raise UserError(f"{path}: no such file; the run has no answers to this task")
    records, torn = read_records(path)
    if torn:
        raise UserError(f"{path}: ends in the middle of a line; finish the run first")
    keys, ids = [record.id for record in records], {sample.id for sample in samples}
    return {key: completion(task, record) for key, record in joined(path, keys, records, ids, allow).items()}


def _judged(task: JudgedTask, found: Verdicts, samples: Sequence[Sample]) -> dict[str, Completion]:
    """Answers that nobody knows, with the judgement of each."""
    told = {"judge": found.judge, "place": None, "versions": [found.version or UNKNOWN], "key": None, "error": None}
    answers = {}
    for sample in samples:
        if sample.id in found.rounds:
            rounds = [[_worth(task, sample, verdict)] for verdict in found.rounds[sample.id]]
            answers[sample.id] = Completion(task.name, sample.id, "", judgement={**told, "rounds": rounds})
    return answers


def _worth(task: JudgedTask, sample: Sample, verdict: Verdict) -> str:
    """The judge's reply, unless the official number beside it is another: that alone is what was summed up."""
    reply, counted = (task.judged(sample, [[text]]).values for text in (verdict.reply, verdict.counted))
    return verdict.reply if reply == counted else verdict.counted


def completion(task: str, record: Record) -> Completion:
    """The answer that a record of `task` was made from."""
    if record.error is not None:
        reason: FinishReason = "missing" if record.missing else "error"
        return Completion(task, record.id, "", reason, error=record.error)
    reason = "length" if record.finish_reason == "length" else "stop"
    text = record.response or ""
    return Completion(task, record.id, Verbatim(text) if record.verbatim else text, reason, judgement=record.judgement)


def _identity(path: Path, run: dict[str, Any] | None, protocol: str) -> Identity:
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    if run is not None:
        files = [file for file in files if file.name == SAMPLES]
    content = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            content.update(hashlib.file_digest(stream, "sha256").digest())
    source = {"predictions": content.hexdigest()}
    if run is None:
        return Identity(path.stem, "replay", checkpoint=str(path), checkpoint_hash=content.hexdigest())
    try:
        asked = run["identity"]["details"].get(ASKED, protocol_of(run["config"]))
        details = {**run["identity"]["details"], ASKED: asked, **source}
        if asked == protocol:
            del details[ASKED]
        return Identity(**{**run["identity"], "details": details})
    except (KeyError, TypeError) as error:
        raise DataError(f"is not a run of this version ({error})", file=path / RUN, field="identity") from None


def _load(config: RunConfig, note: Note) -> Replay:
    replay = Replay(Path(str(config.ckpt)).expanduser(), _allowed(config.model_args), config.protocol)
    if config.limit is not None and not replay.of_run:
        raise UserError("--limit: a file of predictions is scored as a whole; leave it out")
    return replay


def _allowed(args: Mapping[str, str]) -> Allow:
    """What a replay lets pass: ``allow_missing=true``."""
    names = {f"allow_{field.name}": field.name for field in fields(Allow)}
    for name, value in args.items():
        if name not in names or value not in ("true", "false"):
            raise UserError(f"--model-args {name}={value}: a replay takes {', '.join(names)}, each true or false")
    return Allow(**{names[name]: value == "true" for name, value in args.items()})


KIND = ModelKind(
    "answers that exist already, from a file of predictions or a run folder",
    _load,
    ckpt="a file of predictions, or a run folder",
    args=None,
)
