"""How the next token is chosen."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sampling:
    """Greedy unless `temperature` is positive; then top-k and top-p, applied in this order."""

    temperature: float = 0.0
    top_k: int = 0
    """Keep the k most probable tokens; 0 keeps all."""
    top_p: float = 1.0
    """Keep the most probable tokens up to this total probability, at least one."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.temperature < 0 or self.top_k < 0 or not 0 < self.top_p <= 1:
            raise ValueError("sampling needs temperature >= 0, top_k >= 0 and 0 < top_p <= 1")

    @property
    def greedy(self) -> bool:
        return self.temperature == 0


def choose(logits_BV: Tensor, sampling: Sampling, draws_B: Tensor | None = None) -> Tensor:
    """Next tokens, B int64, from float32 logits.

    `draws_B` holds a uniform number in [0, 1) for each row and decides alone which token a row gets, so that a row's
    sample does not depend on the rows beside it; greedy choice needs none.
    """
    if sampling.greedy:
        return logits_BV.argmax(dim=-1)
    if draws_B is None:
        raise ValueError("sampling needs a uniform draw for each row")
    probs_BV, order_BV = (logits_BV / sampling.temperature).softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
    if 0 < sampling.top_k < probs_BV.shape[-1]:
        probs_BV, order_BV = probs_BV[:, : sampling.top_k], order_BV[:, : sampling.top_k]
        probs_BV = probs_BV / probs_BV.sum(dim=-1, keepdim=True)
    before_BV = probs_BV.cumsum(dim=-1) - probs_BV
    kept_BV = before_BV < sampling.top_p
    kept_BV[:, 0] = True
    cumulative_BV = (probs_BV * kept_BV).cumsum(dim=-1)
    target_B1 = draws_B[:, None].to(cumulative_BV) * cumulative_BV[:, -1:]
    place_B1 = torch.searchsorted(cumulative_BV, target_B1, right=True)
    # Rounding may push a draw close to 1 past the last kept token.
    place_B1 = torch.minimum(place_B1, kept_BV.sum(dim=-1, keepdim=True) - 1)
    return order_BV.gather(1, place_B1)[:, 0]
