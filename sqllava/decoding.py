"""The generation loop: one batch of prompts in, tokens out.

Transformers' own modules and cache, without the bookkeeping of `generate`: image features come in ready, logits are
computed for last positions only, and a row leaves the batch as soon as it has finished.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import DynamicCache

from sqllava.processing import pad_batch
from sqllava.sampling import Sampling, choose


@dataclass(slots=True)
class Row:
    """One prompt on its way: what goes in, and what has come out so far."""

    key: str
    ids: list[int]
    """Prompt, image tokens included."""
    features: Tensor | None
    """Projected image, tokens×H, shared by all rows about it; None without an image."""
    limit: int
    """Most new tokens, at least one."""
    random: Random = field(default_factory=Random)
    """Where the row's own uniform numbers come from when it samples."""
    tokens: list[int] = field(default_factory=list)
    """Generated tokens, the end token included."""
    logprob: float = 0.0
    """Sum of the generated tokens' natural-log probabilities under the model, before temperature and truncation."""
    finish_reason: Literal["stop", "length"] = "length"


@torch.inference_mode()
def decode(
    model: Any,
    rows: Sequence[Row],
    *,
    eos: int | None,
    pad: int = 0,
    sampling: Sampling | None = None,
    stopped: Callable[[list[int]], bool] | None = None,
) -> None:
    """Generate for all `rows` at once, filling in their `tokens`, `logprob` and `finish_reason`.

    A row ends with the token `eos`, when `stopped` says so of its tokens, or at its limit.
    """
    sampling = sampling or Sampling()
    embeds, mask = _embed(model, rows, pad)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config.text_config)
    live = list(rows)
    while True:
        hidden = model.model.language_model(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state[:, -1]
        logits = model.lm_head(hidden).float()
        draws = None
        if not sampling.greedy:
            draws = torch.tensor([row.random.random() for row in live], device=logits.device)
        chosen = choose(logits, sampling, draws)
        logprobs = logits.gather(1, chosen[:, None])[:, 0] - logits.logsumexp(dim=-1)
        going = _advance(live, chosen.tolist(), logprobs.tolist(), eos, stopped)
        if not going:
            return
        if len(going) < len(live):
            keep = torch.tensor(going, device=logits.device)
            live = [live[place] for place in going]
            chosen, mask, positions = chosen[keep], mask[keep], positions[keep]
            cache.batch_select_indices(keep)
        embeds = model.get_input_embeddings()(chosen)[:, None]
        mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=1)
        positions = positions[:, -1:] + 1


def _embed(model: Any, rows: Sequence[Row], pad: int) -> tuple[Tensor, Tensor]:
    """Left-padded input embeddings (B×T×H) with the images in place, and the mask (B×T)."""
    batch = pad_batch([row.ids for row in rows], pad, "left")
    ids, mask = batch["input_ids"].to(model.device), batch["attention_mask"].to(model.device)
    embeds: Tensor = model.get_input_embeddings()(ids)
    features = [row.features for row in rows if row.features is not None]
    if features:
        embeds[(ids == model.config.image_token_id) & mask.bool()] = torch.cat(features).to(embeds)
    return embeds, mask


def _advance(
    live: Sequence[Row],
    chosen: Sequence[int],
    logprobs: Sequence[float],
    eos: int | None,
    stopped: Callable[[list[int]], bool] | None,
) -> list[int]:
    """Append each row's token; gives the places of the rows that go on."""
    going = []
    for place, (row, token, logprob) in enumerate(zip(live, chosen, logprobs, strict=True)):
        row.tokens.append(token)
        row.logprob += logprob
        if token == eos or (stopped is not None and stopped(row.tokens)):
            row.finish_reason = "stop"
        elif len(row.tokens) < row.limit:
            going.append(place)
    return going
