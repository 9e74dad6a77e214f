"""The protocol of tasks that a language model judges: what is put to the judge, and what its replies are worth.

Judging is a step between answers and metrics.  A task states it in two pure functions; the harness talks to the judge
in between, and keeps every reply in the record, so that scores can be computed again without the judge.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqeval.task import Sample, Score, Task


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One call of the judge."""

    messages: tuple[tuple[str, str], ...]
    """(role, text), to the letter of the protocol."""
    max_tokens: int
    temperature: float


class JudgedTask(Task):
    """A task whose responses are scored through a judge."""

    judge: ClassVar[str]
    """The official judge; scores by another one are not comparable with published ones."""
    judging: ClassVar[str]
    """How the judge is asked, in a line."""

    @abstractmethod
    def inquire(self, response: str, sample: Sample, replies: Sequence[str]) -> Inquiry | None:
        """What to ask next in a round in which the judge has given `replies`; None when the round is over. Pure."""

    @abstractmethod
    def judged(self, sample: Sample, rounds: Sequence[Sequence[str]]) -> Score:
        """The score that the replies of all rounds give. Pure.

        `parsed` None: some round ended without a reply that can be read, and its value is what the protocol says of
        that. No round at all: there was no response to judge, and everything is wrong.
        """

    def score(self, response: str | None, sample: Sample) -> Score:
        """A response that nobody has judged has no score yet."""
        return self.judged(sample, ()) if response is None else Score(None, {})
