"""All open questions of all tasks, put to the model in one call.

Answers arrive in any order, tasks mixed. Each is scored and with the kernel before the next is taken; a task is
finished as soon as its last answer is in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack

from sqeval import runner
from sqeval.data.collection import paused
from sqeval.errors import IncompleteError
from sqeval.judged import JudgedTask
from sqeval.judging import Bench
from sqeval.model import Completion, Fitted, Model
from sqeval.models.replay import Replay
from sqeval.planner import groups
from sqeval.progress import Bar, Progress
from sqeval.records import Record
from sqeval.rundir import RunFolder, TaskFolder
from sqeval.runner import Plan, Result
from sqeval.throughput import Meter

_STEP = 1_000
"""Answers that are scored between two movements of the bar."""
Results = Generator[Result, None, None]


def ask(
    plans: Sequence[Plan],
    model: Model,
    folder: RunFolder,
    progress: Progress,
    meter: Meter,
    by: Bench | None = None,
) -> Results:
    """Ask, score and write everything; gives each task when it is finished.

    Tasks that are judged come last, `by` whom it may be: the model does not wait for the judge.

    Raises IncompleteError if the model leaves a question unanswered, answers one twice, or answers one that was not
    asked; what it answered before is kept.
    """
    if isinstance(model, Fitted):
        for plan in plans:
            model.fit(plan.load.task, plan.load.asked)
    with ExitStack() as stack:
        bars = stack.enter_context(progress.tasks({p.name: (len(p.questions), len(p.kept)) for p in plans}))
        tasks: dict[str, OpenTask] = {}
        for plan in plans:
            tasks[plan.name] = OpenTask(plan, folder.task(plan.name), bars[plan.name], by)
            stack.callback(tasks[plan.name].close)
        for task in tasks.values():
            if isinstance(model, Replay):
                task.replay(model)
            if not task.waiting and not task.judged:
                yield task.finish()
        asked = groups((task.plan.load.task, task.waiting.values()) for task in tasks.values())
        stack.enter_context(meter.running())
        for answer in model.generate(asked) if asked else ():
            if answer.task not in tasks:
                raise IncompleteError(_unasked(answer, model, "without being asked"))
            task = tasks[answer.task]
            task.take(answer, model)
            meter.questions += 1
            if not task.waiting and not task.judged:
                with meter.paused():
                    yield task.finish()
        with meter.paused():
            for task in tasks.values():
                if not task.waiting and task.judged:
                    yield task.finish()
    unanswered = [_unanswered(task, model) for task in tasks.values() if task.waiting]
    if unanswered:
        raise IncompleteError("\n".join([*unanswered, "the run is incomplete, and the same command asks them again"]))


class OpenTask:
    """A task of which not all is on disk yet."""

    def __init__(self, plan: Plan, folder: TaskFolder, bar: Bar, by: Bench | None) -> None:
        self.plan, self._by = plan, by
        self.judged = isinstance(plan.load.task, JudgedTask)
        waiting = [q for q in plan.questions if q.sample.id not in plan.kept] if plan.kept else plan.questions
        self.waiting = {question.sample.id: question for question in waiting}
        """Questions without an answer, by id."""
        self._folder, self._bar = folder, bar
        self._written = False
        """Whether all records are on disk, and known, in the order of the questions."""
        folder.reopen()
        kept = [(q, plan.kept[q.sample.id]) for q in plan.questions if q.sample.id in plan.kept] if plan.kept else []
        self._records = {q.sample.id: runner.record(plan.load.task, q, answer) for q, answer in kept}
        folder.replace(self._records.values())  # without a torn line, stale answers and errors
        self._files = ExitStack()
        self._appender = self._files.enter_context(folder.appending())

    def take(self, answer: Completion, model: Model) -> None:
        """Score an answer and append it. Raises IncompleteError for one that is not waited for."""
        question = self.waiting.pop(answer.id, None)
        if question is None:
            self._folder.reopen()  # it may be finished, with an answer that the model takes back now
            twice = answer.id in self._records and answer.id not in self.plan.kept
            raise IncompleteError(_unasked(answer, model, "twice" if twice else "without being asked"))
        record = runner.record(self.plan.load.task, question, answer)
        self._records[answer.id] = record
        self._appender.append(record)
        self._bar.advance(1, record.errored)

    @paused()
    def replay(self, model: Replay) -> None:
        """Score answers that exist already, and write each while it is at hand: memory is slow where there is much."""
        if self._records or self.judged:  # some are on disk, or a judge is still to be heard
            deque(self._replayed(model), maxlen=0)
        else:
            self._folder.replace(self._replayed(model))
            self._written = True
        self.waiting.clear()

    def _replayed(self, model: Replay) -> Iterator[Record]:
        task, failed = self.plan.load.task, 0
        for number, (key, question) in enumerate(self.waiting.items(), 1):
            record = self._records[key] = runner.record(task, question, model.answer(task.name, key))
            yield record
            failed += record.errored
            if number % _STEP == 0 or number == len(self.waiting):
                self._bar.advance((number - 1) % _STEP + 1, failed)
                failed = 0

    def finish(self) -> Result:
        """Metrics of all answers."""
        self.close()
        self._bar.scoring()
        if not self._written:
            self._records = {question.sample.id: self._records[question.sample.id] for question in self.plan.questions}
        records = list(self._records.values())
        result = runner.finish(
            self.plan, records, self._folder, self._by, judged=self._bar.judged, written=self._written
        )
        self._bar.finish()
        return result

    def close(self) -> None:
        """Append no more."""
        self._files.close()


def _unasked(answer: Completion, model: Model, how: str) -> str:
    return f"{answer.task}: model {model.identity.name} answered {answer.id!r} {how}"


def _unanswered(task: OpenTask, model: Model) -> str:
    missing, total = len(task.waiting), len(task.plan.questions)
    return (
        f"{task.plan.name}: model {model.identity.name} gave no answer to {missing:,} of {total:,} questions "
        f"({_some(task.waiting)})"
    )


def _some(ids: Iterable[str]) -> str:
    first, more = list(ids)[: runner.SHOWN], len(list(ids)) > runner.SHOWN
    return ", ".join(first) + (", ..." if more else "")
