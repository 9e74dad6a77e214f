"""Without shared prefixes: a whole row for every segment, for models that cannot be computed on a tree.

Transformers' own modules and cache, without the bookkeeping of `generate`: image features come in ready, logits are
computed for last positions only, rows of similar length share a batch, and a row leaves it as soon as it has finished.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import DynamicCache

from sqllava.inference.intake import Intake
from sqllava.inference.jobs import Job, failure, need
from sqllava.inference.requests import Completion, Scored
from sqllava.inference.segment import Continuation, Segment, Text, speak
from sqllava.processing import pad_batch

if TYPE_CHECKING:
    from sqllava.engine import Engine

BATCH_TOKENS = 8192
"""Prompt and answer tokens of a batch, padding included."""
WINDOW = 1024
"""Rows are sorted by length within a window of so many."""


@dataclass(frozen=True, slots=True)
class Row:
    """A segment with all that stands before it."""

    segment: Segment | Continuation
    ids: list[int]
    features: Tensor | None


def answers(engine: Engine, todo: Intake) -> Iterator[Completion | Scored]:
    """What `Engine` answers, computed in rows."""
    while todo:
        taken: list[Job] = []
        while todo.peek() is not None and sum(len(one.segments) for one in taken) < WINDOW:
            taken.append(todo.pop())
        seen = todo.see(taken, engine.working)
        yield from todo.failed
        todo.failed.clear()
        rows = [Row(one, job.prefix + one.ids, job.features) for job in seen for one in job.segments]
        for batch in _batches(rows, engine.batch_tokens):
            yield from _answered(engine, batch)


def _answered(engine: Engine, batch: Sequence[Row], *, again: bool = False) -> list[Completion | Scored]:
    """The answers of a batch; in halves, if memory runs out."""
    try:
        with engine.working():
            return _compute(engine, batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            return [failure(batch[0].segment, "out of memory, though computed alone")]
    if not again:
        engine.shrink()
    for row in batch:
        if isinstance(row.segment, Segment):
            row.segment.restart()
    half = len(batch) // 2
    return [*_answered(engine, batch[:half], again=True), *_answered(engine, batch[half:], again=True)]


def _compute(engine: Engine, batch: Sequence[Row]) -> list[Completion | Scored]:
    engine.stats.prefilled_tokens += sum(len(row.ids) for row in batch)
    spoken = [row for row in batch if isinstance(row.segment, Segment)]
    if spoken:
        decode(engine.model, spoken, end_id=engine.end_id, pad=engine.processor.pad_id, text=engine.text)
    done: list[Completion | Scored] = []
    for row in batch:
        if isinstance(row.segment, Segment):
            done.append(row.segment.completion(engine.text))
        else:
            done.append(_scored(engine.model, row, row.segment, engine.processor.pad_id))
    return done


def _batches(rows: Sequence[Row], budget: int) -> Iterator[list[Row]]:
    """Rows by falling length, so that the dearest batch comes first, cut by the token budget; at least one row."""
    batch: list[Row] = []
    width = 0
    for row in sorted(rows, key=lambda row: len(row.ids), reverse=True):
        length = len(row.ids) - len(row.segment.ids) + need(row.segment)
        width = max(width, length)
        if batch and (len(batch) + 1) * width > budget:
            yield batch
            batch, width = [], length
        batch.append(row)
    if batch:
        yield batch


@torch.inference_mode()
def decode(model: Any, rows: Sequence[Row], *, end_id: int | None, pad: int, text: Text) -> None:
    """Generate for all `rows`, which are segments, at once, until each is finished."""
    embeds, mask = _embed(model, rows, pad)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config.text_config)
    live = [row.segment for row in rows if isinstance(row.segment, Segment)]
    while True:
        hidden = model.model.language_model(
            inputs_embeds=embeds, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
        ).last_hidden_state[:, -1]  # fmt: skip
        speak(live, model.lm_head(hidden).float(), end_id, text)
        going = [place for place, segment in enumerate(live) if segment.finish_reason is None]
        if not going:
            return
        if len(going) < len(live):
            keep = torch.tensor(going, device=mask.device)
            live = [live[place] for place in going]
            mask, positions = mask[keep], positions[keep]
            cache.batch_select_indices(keep)
        said = torch.tensor([segment.tokens[-1] for segment in live], device=mask.device)
        embeds = model.get_input_embeddings()(said)[:, None]
        mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=1)
        positions = positions[:, -1:] + 1


@torch.inference_mode()
def _scored(model: Any, row: Row, segment: Continuation, pad: int) -> Scored:
    embeds, mask = _embed(model, [row], pad)
    hidden = model.model.language_model(inputs_embeds=embeds, attention_mask=mask, use_cache=False).last_hidden_state
    wanted = len(segment.ids) - segment.given
    return segment.scored(model.lm_head(hidden[0, -1 - wanted : -1]).float())


def _embed(model: Any, rows: Sequence[Row], pad: int) -> tuple[Tensor, Tensor]:
    """Left-padded input embeddings (B×T×H) with the images in place, and the mask (B×T)."""
    batch = pad_batch([row.ids for row in rows], pad, "left")
    ids, mask = batch["input_ids"].to(model.device), batch["attention_mask"].to(model.device)
    embeds: Tensor = model.get_input_embeddings()(ids)
    features = [row.features for row in rows if row.features is not None]
    if features:
        embeds[(ids == model.config.image_token_id) & mask.bool()] = torch.cat(features).to(embeds)
    return embeds, mask
