"""The model protocol: requests grouped by image in, completions out.

All tasks are asked in one call. Questions about one image arrive together, whichever tasks they belong to, so that an
engine can encode the image, and whatever text precedes the questions, once.  A model may answer in any order; `task`
and `id` say which question a completion belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from sqeval.data.images import ImageRef
    from sqeval.task import Sample, Task

FinishReason = Literal["stop", "length", "error", "missing"]
"""``missing``: a file of predictions has none for this question."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to generate. The benchmarks of the paper are greedy: temperature 0."""

    max_new_tokens: int = 128
    """Upper limit of generated tokens a request."""
    temperature: float = 0.0
    """0 is greedy decoding."""
    seed: int = 0
    """Of what is drawn at other temperatures, together with the request's id."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer; they are cut off."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question, as the task asks it."""

    task: str
    """Name of the task."""
    id: str
    """Unique within the task."""
    prompt: str
    """The user's turn without template or image placeholder."""
    settings: Settings
    """How to answer this one; tasks differ."""


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


@dataclass(slots=True)  # not frozen, which makes making one four times as slow; none is ever changed
class Completion:
    """A model's answer to one request.

    `error` set means that there is no answer (an unreadable image, a failed call): `text` is then empty, the sample
    is recorded as errored, and it is never scored as if answered.
    """

    task: str
    id: str
    text: str
    finish_reason: FinishReason = "stop"
    tokens: int = 0
    """Number of generated tokens, the end token included."""
    logprob: float | None = None
    """Sum of the generated tokens' natural-log probabilities, if the model gives them."""
    error: str | None = None
    judgement: Mapping[str, Any] | None = None
    """What a judge said of it, where the answer comes from a run that was judged."""


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

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        """Answer every request of `groups` exactly once, in any order, yielding as answers become known."""
        ...


@runtime_checkable
class Fitted(Protocol):
    """Optional: baselines that look at the references first (the majority answer, a replay of a file).

    `fit` is called before `generate`, for every task that will be asked, with all samples that the run is about.
    """

    def fit(self, task: Task, samples: Sequence[Sample]) -> None: ...


@dataclass(frozen=True, slots=True)
class Work:
    """What a model did since it was loaded."""

    prompt_tokens: int
    """Tokens of all prompts, images included: what would be computed if each question were asked alone."""
    prefilled_tokens: int
    """Prompt tokens that were computed."""
    generated_tokens: int
    images_encoded: int
    seconds: float
    """Time in which the model computed: neither images nor the harness were waited for."""
    batch_tokens: int
    """Tokens that it holds at once, as of now."""
    shared_prefixes: bool
    """Whether what questions have in common is computed once."""
    notes: tuple[str, ...] = ()
    """What a person should know: a fallback, a batch made smaller."""


@runtime_checkable
class Measured(Protocol):
    """Optional: models that count what they do; it goes into the run's record."""

    def work(self) -> Work | None:
        """None: it counts nothing after all."""
        ...


@dataclass(frozen=True, slots=True)
class Share:
    """What one of several workers did."""

    node: str
    """Name of its machine."""
    questions: int
    seconds: float
    """Time in which it had questions in hand."""
    lost: str | None = None
    """Why it was lost, if it was."""


@runtime_checkable
class Shared(Protocol):
    """Optional: models that are several workers."""

    def shares(self) -> Sequence[Share]: ...
