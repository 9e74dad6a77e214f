"""The model protocol: requests grouped by image in, completions out.

Questions about one image arrive together so that an engine can encode the image, and whatever text precedes the
questions, once.  A model may answer in any order; the `request_id` says which question a completion belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from sqeval.data.images import ImageRef
    from sqeval.task import Sample, Task

FinishReason = Literal["stop", "length", "error"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to generate. The benchmarks of the paper are greedy: temperature 0."""

    max_new_tokens: int = 128
    """Upper limit of generated tokens a request."""
    temperature: float = 0.0
    """0 is greedy decoding."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer; they are cut off."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question, as the task asks it: the user's turn without template or image placeholder."""

    id: str
    prompt: str


@dataclass(frozen=True, slots=True)
class Group:
    """The requests about one image; `image` is None for text-only questions."""

    image: ImageRef | None
    requests: tuple[Request, ...]


class Verbatim(str):
    """The text of an answer that is final, as official result files hold it: scorers compare it as it is.

    Any other text is a response, from which the scorer makes the answer as the published protocol does.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's answer to one request.

    `error` set means that there is no answer (an unreadable image, a failed call): `text` is then empty, the sample
    is recorded as errored, and it is never scored as if answered.
    """

    request_id: str
    text: str
    finish_reason: FinishReason = "stop"
    tokens: int = 0
    """Number of generated tokens, the end token included."""
    logprob: float | None = None
    """Sum of the generated tokens' natural-log probabilities, if the model gives them."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered: goes into run.json, the request hashes and the comparison of runs."""

    name: str
    """Display name, e.g. ``mini``."""
    kind: str
    """Adapter, e.g. ``sqllava`` or ``majority``."""
    checkpoint: str | None = None
    """Path, packaged name or hub id as the user gave it."""
    checkpoint_hash: str | None = None
    """SHA-256 over the checkpoint's files (weights, configuration, tokenizer)."""
    sees_images: bool = True
    """False for floors (majority, random, blind): they are measured against, never picked as a baseline."""
    details: dict[str, Any] = field(default_factory=dict)
    """JSON-able settings that may change answers: dtype, template, image mode, ..."""
    origin: dict[str, Any] = field(default_factory=dict)
    """JSON-able facts about where the checkpoint came from; they change no answer by themselves."""


class Model(Protocol):
    """What an adapter implements."""

    @property
    def identity(self) -> Identity: ...

    def generate(self, groups: Sequence[Group], settings: Settings) -> Iterator[Completion]:
        """Answer every request of `groups` exactly once, in any order, yielding as answers become known."""
        ...


@runtime_checkable
class Fitted(Protocol):
    """Optional: baselines that look at the references first (the majority answer, a replay of a file).

    The runner calls `fit` before `generate`, once a task, with all samples that the run will ask.
    """

    def fit(self, task: Task, samples: Sequence[Sample]) -> None: ...


def count(groups: Iterable[Group]) -> int:
    """Number of requests in `groups`."""
    return sum(len(group.requests) for group in groups)
