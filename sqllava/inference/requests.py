"""What the engine is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from PIL import Image
from torch import Tensor

from sqllava.inference.sampling import Sampling

GREEDY = Sampling()


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt, rendered by a conversation template; its ``<image>``, if any, is the group's image."""

    id: str
    prompt: str
    max_new_tokens: int = 128
    sampling: Sampling = GREEDY
    samples: int = 1
    """Completions wanted; they share the prompt."""
    stop: tuple[str, ...] = ()
    """Texts that end a completion; they are cut off."""

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.samples < 1:
            raise ValueError("max_new_tokens and samples must be at least 1")


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """A prompt and texts that might follow it, whose log-likelihoods are wanted."""

    id: str
    prompt: str
    continuations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that begin alike, about one image or none.

    What they share, up to the first token in which two of them differ, is computed once.
    """

    requests: tuple[Request | ScoreRequest, ...]
    image: Callable[[], Image.Image] | None = None
    """Opens the image, in a worker process maybe."""
    key: str | None = None
    """Names the image: features of a key are kept and computed once, as far as memory allows."""
    features: Tensor | None = None
    """The projected image, tokens×H, instead of `image`."""

    @property
    def has_image(self) -> bool:
        """Whether prompts may speak of one."""
        return self.image is not None or self.features is not None


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model said to a request. With `error` set it said nothing and `text` is empty."""

    id: str
    text: str
    finish_reason: Literal["stop", "length", "error"] = "stop"
    token_ids: tuple[int, ...] = ()
    """Generated tokens, the end token included."""
    logprobs: tuple[float, ...] = ()
    """Each token's natural-log probability under the model, before temperature and truncation."""
    sample: int = 0
    """Which of the request's samples."""
    error: str | None = None

    @property
    def tokens(self) -> int:
        """Number of generated tokens, the end token included."""
        return len(self.token_ids)

    @property
    def logprob(self) -> float | None:
        """Sum of the tokens' log-probabilities; None for an error."""
        return None if self.error is not None else float(sum(self.logprobs))


@dataclass(frozen=True, slots=True)
class Scored:
    """The log-likelihood of one continuation of a `ScoreRequest`."""

    id: str
    continuation: int
    """Its place among the request's continuations."""
    logprobs: tuple[float, ...] = ()
    """Of each of its tokens, given the prompt and the tokens before."""
    greedy: bool = False
    """Whether each token is the most probable one: greedy decoding would have said just this."""
    error: str | None = None

    @property
    def logprob(self) -> float | None:
        """The log-likelihood; None for an error."""
        return None if self.error is not None else float(sum(self.logprobs))


@dataclass(slots=True)
class Stats:
    """What an engine did, since it was made."""

    requests: int = 0
    """Completions and scores given."""
    images: int = 0
    """Images that went through the vision tower."""
    prompt_tokens: int = 0
    """Tokens of all prompts, image tokens included: what rows would prefill."""
    prefilled_tokens: int = 0
    """Prompt tokens that were computed."""
    generated_tokens: int = 0
    model_seconds: float = 0.0
    """Time in the model: vision tower, prefill, decoding."""
    seconds: float = 0.0
    """Time from the first request to the last answer."""
    splits: int = 0
    """Times that memory ran out and the batch was made smaller."""
    notes: list[str] = field(default_factory=list)
    """What a person should know: a fallback, a batch made smaller."""

    @property
    def saved_tokens(self) -> int:
        """Prompt tokens that sharing left out."""
        return self.prompt_tokens - self.prefilled_tokens

    @property
    def busy(self) -> float:
        """Share of the time that the model was at work, 0..1."""
        return min(1.0, self.model_seconds / self.seconds) if self.seconds else 0.0
