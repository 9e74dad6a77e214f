"""A row for each question, in batches, by transformers' own `generate`: what every architecture can do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from sqeval.model import Completion, Group, Identity, Request, Work
from sqeval.models.hf.ahead import ahead
from sqeval.models.hf.checkpoint import Loaded
from sqeval.models.hf.decoding import Choice, Stops, configuration, end_ids, read
from sqeval.models.hf.prompts import Prompts, Row, Unready, shapes

BATCH_TOKENS = {"cuda": 16_384}
USUAL_TOKENS = 4_096
"""Prompt and answer tokens of a batch, padding included."""
RESERVE = 128
"""New tokens that count towards a batch; few answers are longer."""
WINDOW = 512
"""Rows are sorted by length within a window of so many,"""
WINDOW_BYTES = 1 << 29
"""or of so much about images: another window is prepared meanwhile, and a third one waits."""


class HfModel:
    """A model of transformers behind the model protocol."""

    def __init__(
        self,
        identity: Identity,
        loaded: Loaded,
        prompts: Prompts,
        *,
        batch_tokens: int | None = None,
        workers: int | None = None,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        """workers: 0 prepares questions when the model needs them; anything else ahead of it."""
        self.identity, self.model, self.prompts = identity, loaded.model, prompts
        self._tokenizer = deepcopy(loaded.processor.tokenizer)  # another thread tokenizes with the processor's
        self._ends = end_ids(self.model, self._tokenizer)
        self._context = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        self.batch_tokens = batch_tokens or BATCH_TOKENS.get(self.model.device.type, USUAL_TOKENS)
        self._workers, self._note = workers, note
        self._prompt_tokens = self._generated = self._images = 0
        self._seconds = 0.0
        self._notes: list[str] = []

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        """Answer every request of `groups` once, the longest of each window first."""
        prepared = windows(row for group in groups for row in self.prompts.rows(group))
        for window in prepared if self._workers == 0 else ahead(prepared, 1):
            rows: list[Row] = []
            for one in window:
                error = one.error if isinstance(one, Unready) else self._too_long(one)
                if error is not None:
                    yield failed(one.request, error)
                elif isinstance(one, Row):
                    rows.append(one)
            for batch in self._batches(rows):
                yield from self._answered(batch)

    def work(self) -> Work:
        """What was computed; nothing is shared."""
        return Work(
            prompt_tokens=self._prompt_tokens,
            prefilled_tokens=self._prompt_tokens,
            generated_tokens=self._generated,
            images_encoded=self._images,
            seconds=self._seconds,
            batch_tokens=self.batch_tokens,
            shared_prefixes=False,
            notes=tuple(self._notes),
        )

    def _too_long(self, row: Row | Unready) -> str | None:
        if isinstance(row, Row) and self._context is not None and row.length >= self._context:
            return f"prompt of {row.length} tokens does not fit the context of {self._context}"
        return None

    def _limit(self, row: Row) -> int:
        """Most new tokens."""
        most = row.request.settings.max_new_tokens
        return most if self._context is None else min(most, self._context - row.length)

    def _batches(self, rows: Iterable[Row]) -> Iterator[list[Row]]:
        """Rows that can be computed together, by falling length, cut by the token budget; at least one row."""
        alike: dict[Any, list[Row]] = {}
        for row in rows:
            alike.setdefault((row.request.settings, self._limit(row), shapes(row)), []).append(row)
        for (_, limit, _), kin in alike.items():
            batch: list[Row] = []
            for row in sorted(kin, key=lambda row: row.length, reverse=True):
                width = (batch[0] if batch else row).length + min(limit, RESERVE)
                if batch and (len(batch) + 1) * width > self.batch_tokens:
                    yield batch
                    batch = []
                batch.append(row)
            if batch:
                yield batch

    def _answered(self, batch: list[Row], *, again: bool = False) -> Iterator[Completion]:
        """The answers of a batch; in halves, if memory runs out."""
        try:
            answers = self._compute(batch)
        except torch.OutOfMemoryError:
            answers = None
        if answers is not None:
            yield from answers
        elif len(batch) == 1:
            yield failed(batch[0].request, "out of memory, though computed alone")
        else:
            if not again:
                self._shrink()
            half = len(batch) // 2
            yield from self._answered(batch[:half], again=True)
            yield from self._answered(batch[half:], again=True)

    def _shrink(self) -> None:
        self.batch_tokens = max(1, self.batch_tokens // 2)
        line = f"out of memory; going on with {self.batch_tokens:,} tokens at once"
        self._notes.append(line)
        self._note(line)

    @torch.inference_mode()
    def _compute(self, batch: Sequence[Row]) -> list[Completion]:
        began = time.monotonic()
        settings, limit = batch[0].request.settings, self._limit(batch[0])
        pad = self._tokenizer.pad_token_id
        pad = min(self._ends, default=0) if pad is None else pad
        inputs = {name: self._placed(value) for name, value in collate(batch, pad).items()}
        choice = Choice([row.request for row in batch], settings)
        stops = [Stops(settings.stop, choice, self._text)] if settings.stop else []
        found = self.model.generate(
            **inputs,
            generation_config=configuration(self.model, pad, limit),
            logits_processor=[choice],
            stopping_criteria=stops,
        )[:, -choice.steps :].tolist()
        logprobs = torch.stack(choice.logprobs, dim=1).tolist()
        said = [
            read(tokens, logs, settings, self._ends, self._text) for tokens, logs in zip(found, logprobs, strict=True)
        ]
        self._seconds += time.monotonic() - began
        self._prompt_tokens += sum(row.length for row in batch)
        self._generated += sum(one.tokens for one in said)
        self._images += sum(bool(row.image) for row in batch)
        return [
            Completion(row.request.task, row.request.id, one.text, one.finish_reason, one.tokens, one.logprob)
            for row, one in zip(batch, said, strict=True)
        ]

    def _text(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    def _placed(self, value: Any) -> Any:
        """On the model's device; pixels in its precision."""
        if not isinstance(value, Tensor):
            return value
        return value.to(self.model.device, self.model.dtype if value.is_floating_point() else None)


def failed(request: Request, error: str) -> Completion:
    """The answer in place of what could not be computed."""
    return Completion(request.task, request.id, "", "error", error=error)


def windows(rows: Iterable[Row | Unready]) -> Iterator[list[Row | Unready]]:
    """Rows in parts, each as large as may be."""
    window: list[Row | Unready] = []
    images: dict[int, int] = {}
    for row in rows:
        window.append(row)
        if isinstance(row, Row):
            pictures = [value for value in row.image.values() if isinstance(value, Tensor)]
            images.update({picture.data_ptr(): picture.nbytes for picture in pictures})  # rows share them
        if len(window) == WINDOW or sum(images.values()) >= WINDOW_BYTES:
            yield window
            window, images = [], {}
    if window:
        yield window


def collate(batch: Sequence[Row], pad: int) -> dict[str, Any]:
    """The inputs of a batch: tokens padded at the left, images one after the other."""
    width = max(row.length for row in batch)
    inputs: dict[str, Any] = {}
    for name in batch[0].text:
        whole = torch.full((len(batch), width), pad if name == "input_ids" else 0, dtype=torch.long)
        for number, row in enumerate(batch):
            whole[number, width - row.length :] = row.text[name]
        inputs[name] = whole
    for name, value in batch[0].image.items():
        parts = [row.image[name] for row in batch]
        inputs[name] = torch.cat(parts) if isinstance(value, Tensor) else [one for part in parts for one in part]
    return inputs
