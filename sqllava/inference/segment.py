"""One completion on its way, and how a batch of them takes its next tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

import torch
from torch import Tensor

from sqllava.inference.requests import Completion, Request, Scored
from sqllava.inference.sampling import Sampling, choose

Text = Callable[[Sequence[int]], str]
"""Tokens to text, without special tokens."""


@dataclass(slots=True)
class Segment:
    """What a prompt adds to its group's prefix, and what has come out so far."""

    request: Request
    sample: int
    ids: list[int]
    """The prompt's tokens behind the prefix, at least one."""
    limit: int
    """Most new tokens."""
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: Literal["stop", "length"] | None = None
    """None while it goes on."""
    random: Random = field(init=False)
    """Its own uniform numbers, so that a sample does not depend on what is computed beside it."""

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget what came out."""
        name = f":{self.sample}" if self.sample else ""
        self.random = Random(f"{self.request.sampling.seed}:{self.request.id}{name}")
        self.tokens, self.logprobs, self.finish_reason = [], [], None

    def take(self, token: int, logprob: float, end_id: int | None, text: Text) -> None:
        """Append a token, and finish if it is the end token, completes a stop text, or was the last one allowed."""
        self.tokens.append(token)
        self.logprobs.append(logprob)
        if token == end_id or (self.request.stop and _cut(text(self.tokens), self.request.stop) is not None):
            self.finish_reason = "stop"
        elif len(self.tokens) == self.limit:
            self.finish_reason = "length"

    def completion(self, text: Text) -> Completion:
        """The finished segment as an answer."""
        assert self.finish_reason is not None
        said = text(self.tokens)
        said = said[: _cut(said, self.request.stop)].strip()
        return Completion(
            self.request.id, said, self.finish_reason, tuple(self.tokens), tuple(self.logprobs), self.sample
        )


@dataclass(slots=True)
class Continuation:
    """A text whose log-likelihood is wanted, behind its group's prefix."""

    id: str
    number: int
    ids: list[int]
    """Tokens behind the prefix: what is left of the prompt, at least one, then the continuation."""
    given: int
    """How many of them belong to the prompt."""

    def scored(self, logits: Tensor) -> Scored:
        """From the logits (tokens×V float32) at the places before each of the continuation's tokens."""
        wanted = torch.tensor(self.ids[self.given :], device=logits.device)
        logprobs = logits.gather(1, wanted[:, None])[:, 0] - logits.logsumexp(dim=-1)
        greedy = bool((logits.argmax(dim=-1) == wanted).all())
        return Scored(self.id, self.number, tuple(logprobs.tolist()), greedy)


def scores(continuations: Sequence[Continuation], hidden: Tensor, logits: Callable[[Tensor], Tensor]) -> list[Scored]:
    """Each continuation's log-likelihood, from the hidden states (tokens×H) before all of their tokens."""
    sizes = [len(one.ids) - one.given for one in continuations]
    return [one.scored(logits(part)) for one, part in zip(continuations, torch.split(hidden, sizes), strict=True)]


def speak(segments: Sequence[Segment], logits: Tensor, end_id: int | None, text: Text) -> None:
    """Give each segment its next token, by its own settings. logits: a row of V float32 each."""
    chosen = torch.empty(len(segments), dtype=torch.long, device=logits.device)
    by_settings: dict[Sampling, list[int]] = {}
    for place, segment in enumerate(segments):
        by_settings.setdefault(segment.request.sampling, []).append(place)
    for sampling, places in by_settings.items():
        rows = slice(None) if len(by_settings) == 1 else torch.tensor(places, device=logits.device)
        draws = None
        if not sampling.greedy:
            draws = torch.tensor([segments[place].random.random() for place in places], device=logits.device)
        chosen[rows] = choose(logits[rows], sampling, draws)
    logprobs = logits.gather(1, chosen[:, None])[:, 0] - logits.logsumexp(dim=-1)
    for segment, token, logprob in zip(segments, chosen.tolist(), logprobs.tolist(), strict=True):
        segment.take(token, logprob, end_id, text)


def _cut(text: str, stop: Sequence[str]) -> int | None:
    """Where the first of the stop texts begins; None if there is none."""
    found = [place for place in (text.find(one) for one in stop if one) if place >= 0]
    return min(found, default=None)
