"""The protocol of tasks that a language model judges: what is put to the judge, and what its replies are worth.

Judging is a step between answers and metrics.  A task states it in two pure functions; the harness talks to the judge
in between, and keeps every reply in the record, so that scores can be computed again without the judge.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sqeval.data.join import STRICT, Allow
from sqeval.task import Sample, Score, Task

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One call of the judge."""

    messages: tuple[tuple[str, str], ...]
    """(role, text), to the letter of the protocol."""
    max_tokens: int
    temperature: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file of published judgements says of one response in one round."""

    reply: str
    counted: str
    """The plainest reply that is worth what the file says that this one was; it counts where the two differ."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Judgements that were published, without the responses that they are about."""

    judge: str
    version: str | None
    """None: the file does not say."""
    rounds: Mapping[str, Sequence[Verdict]]
    """By sample id; each sample has as many."""


class JudgedTask(Task):
    """A task whose responses are scored through a judge."""

    judge: ClassVar[str]
    """The official judge; scores by another one are not comparable with published ones."""
    judging: ClassVar[str]
    """How the judge is asked, in a line."""
    published: ClassVar[str] = ""
    """The files of published judgements that `read_judgements` takes, in words; empty: none."""

    @abstractmethod
    def inquire(self, response: str, sample: Sample, replies: Sequence[str]) -> Inquiry | None:
        """What to ask next in a round in which the judge has given `replies`; None when the round is over. Pure."""

    @abstractmethod
    def judged(self, sample: Sample, rounds: Sequence[Sequence[str]]) -> Score:
        """The score that the replies of all rounds give. Pure.

        `parsed` None: some round ended without a reply that can be read, and its value is what the protocol says of
        that. No round at all: there was no response to judge, and everything is wrong.
        """

    def read_judgements(self, path: Path, samples: Sequence[Sample], allow: Allow = STRICT) -> Verdicts | None:
        """The published judgements in a file or folder; None if it holds something else, such as responses.

        Raises DataError unless there is one of each sample; `allow` says what may be otherwise.
        """
        return None

    def score(self, response: str | None, sample: Sample) -> Score:
        """A response that nobody has judged has no score yet."""
        return self.judged(sample, ()) if response is None else Score(None, {})


def is_published(judgement: Mapping[str, Any] | None) -> bool:
    """Whether a judgement was published without the response, so that nobody knows the question that was asked."""
    return judgement is not None and judgement.get("key", "") is None
