"""How transformers' `generate` is told to choose tokens, and what each row of a batch said in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from torch import Tensor

from sqeval.model import FinishReason, Request, Settings

Text = Callable[[Sequence[int]], str]
"""Tokens to text, without special tokens."""


@dataclass(frozen=True)
class Said:
    """One row's answer."""

    text: str
    finish_reason: FinishReason
    tokens: int
    logprob: float


class Choice:
    """Takes each row's next token: a logits processor that leaves a single one possible.

    Greedy at temperature 0. Otherwise each row draws by its own uniform numbers, so that a sample does not depend on
    what is computed beside it. Notes the log-probabilities, which `generate` would only give with all logits.
    """

    def __init__(self, requests: Sequence[Request], settings: Settings) -> None:
        self.temperature = settings.temperature
        self._randoms = [Random(f"{settings.seed}:{request.task}/{request.id}") for request in requests]
        self.logprobs: list[Tensor] = []
        """A step's, B float32."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        logits = scores.float()
        chosen = self._chosen(logits)
        self.logprobs.append(logits.gather(1, chosen)[:, 0] - logits.logsumexp(dim=-1))
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen, 0)

    @property
    def steps(self) -> int:
        """Tokens that were chosen for each row: the last so many of what `generate` gives are new."""
        return len(self.logprobs)

    def _chosen(self, logits: Tensor) -> Tensor:
        """B×1."""
        if not self.temperature:
            return logits.argmax(dim=-1, keepdim=True)
        draws = torch.tensor([[random.random()] for random in self._randoms], device=logits.device)
        cumulative = (logits / self.temperature).softmax(dim=-1).cumsum(dim=-1)
        # Rounding may push a draw past the last token.
        return torch.searchsorted(cumulative, draws * cumulative[:, -1:], right=True).clamp(max=logits.shape[-1] - 1)


class Stops:
    """A stopping criterion: rows whose text holds one of the stop texts are finished."""

    def __init__(self, stop: Sequence[str], choice: Choice, text: Text) -> None:
        self._stop, self._choice, self._text = stop, choice, text

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        done = [cut(self._text(row), self._stop) is not None for row in input_ids[:, -self._choice.steps :].tolist()]
        return torch.tensor(done, device=input_ids.device)


def configuration(model: Any, pad: int, limit: int) -> Any:
    """The checkpoint's own settings for generation (its end tokens, a repetition penalty), with nothing drawn."""
    config = deepcopy(model.generation_config)
    config.update(
        do_sample=False, num_beams=1, temperature=None, top_k=None, top_p=None, max_length=None, max_new_tokens=limit,
        pad_token_id=pad, return_dict_in_generate=False, output_scores=False, output_logits=False,
    )  # fmt: skip
    return config


def end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end an answer."""
    found = model.generation_config.eos_token_id
    found = tokenizer.eos_token_id if found is None else found
    return frozenset(found if isinstance(found, list) else [] if found is None else [found])


def read(
    tokens: Sequence[int], logprobs: Sequence[float], settings: Settings, ends: frozenset[int], text: Text
) -> Said:
    """What a row said. tokens: all that were generated for it, also those behind its end."""
    reason: FinishReason = "length"
    count = len(tokens)
    for place, token in enumerate(tokens):
        stopped = settings.stop and cut(text(tokens[: place + 1]), settings.stop) is not None
        if token in ends or stopped:
            reason, count = "stop", place + 1
            break
    said = text(tokens[:count])
    return Said(said[: cut(said, settings.stop)].strip(), reason, count, sum(logprobs[:count]))


def cut(text: str, stop: Sequence[str]) -> int | None:
    """Where the first of the stop texts begins; None if there is none."""
    return min((place for place in (text.find(one) for one in stop if one) if place >= 0), default=None)
