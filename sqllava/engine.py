"""Questions about images in, answers out, in batches.

Questions come grouped by image: each image is opened, preprocessed and encoded once, however many questions it has.
Rows of similar length share a batch, so that little is padding; in float32 the answers do not depend on which rows
share one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from sqllava.conversation import Turn
from sqllava.conversation import template as find_template
from sqllava.decoding import Row, decode
from sqllava.sampling import Sampling

BATCH_TOKENS = {"cpu": 4096, "cuda": 16384}
"""Prompt and answer tokens of a batch, padding included, by device: small ones stay in a CPU's caches."""
WINDOW_ROWS = 1024
WINDOW_IMAGES = 128
"""Rows are sorted by length within a window of so many rows or images; features of its images are held in memory."""
ENCODE_IMAGES = 32
"""Images that go through the vision tower together."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question: the user's turn, without template or image placeholder."""

    id: str
    prompt: str


@dataclass(frozen=True, slots=True)
class ImageQueries:
    """The questions about one image. `image` opens it when it is needed; None for text-only questions."""

    image: Callable[[], Image.Image] | None
    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said. With `error` set it said nothing and `text` is empty."""

    id: str
    text: str
    finish_reason: Literal["stop", "length", "error"] = "stop"
    tokens: int = 0
    """Generated tokens, the end token included."""
    logprob: float | None = None
    """Sum of their natural-log probabilities under the model, before temperature and truncation."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """One rendered prompt and the projected image that its ``<image>`` stands for."""

    id: str
    text: str
    features: Tensor | None = None


class Engine:
    """Batched generation with one model.

    `template` names the conversation template (the checkpoint's own by default); `batch_tokens` bounds the tokens of
    a batch, padding and new tokens included. A batch holds at least one row. Raises TemplateError for a template that
    is unknown or whose tokens the tokenizer does not have.
    """

    def __init__(
        self, model: Any, processor: Any, *, template: str | None = None, batch_tokens: int | None = None
    ) -> None:
        if batch_tokens is not None and batch_tokens < 1:
            raise ValueError("batch_tokens must be at least 1")
        self.model = model
        self.processor = processor
        self.template = find_template(template or model.config.conversation_template)
        self.end_id = self.template.end_id(processor.tokenizer)
        self.batch_tokens = batch_tokens or BATCH_TOKENS.get(model.device.type, 4096)

    def generate(
        self,
        groups: Iterable[ImageQueries],
        *,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Iterator[Answer]:
        """Answer every query of `groups` once, in any order.

        Groups are taken up as they are needed. An image that cannot be opened, or a prompt that does not fit the
        model's context, gives an answer with `error` for each query concerned, and the rest goes on.
        """
        sampling = Sampling(temperature=temperature)
        for window in _windows(groups):
            prompts: list[Prompt] = []
            for group, features in zip(window, self._features(window), strict=True):
                if isinstance(features, str):
                    yield from (failure(query.id, features) for query in group.queries)
                    continue
                for query in group.queries:
                    try:
                        text = self.template.prompt([Turn("user", query.prompt)], image=features is not None)
                    except ValueError as error:
                        yield failure(query.id, str(error))
                    else:
                        prompts.append(Prompt(query.id, text, features))
            yield from self.complete(prompts, max_new_tokens=max_new_tokens, sampling=sampling, stop=stop)

    def complete(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int = 128,
        sampling: Sampling | None = None,
        stop: Sequence[str] = (),
    ) -> Iterator[Answer]:
        """Continue rendered prompts, longest first, each up to the end token, a stop text, or the limit."""
        if max_new_tokens < 1:
            raise ValueError("max_new_tokens must be at least 1")
        sampling = sampling or Sampling()
        context = self.model.config.text_config.max_position_embeddings
        rows = []
        for prompt, ids in zip(prompts, self.processor.tokenize([prompt.text for prompt in prompts]), strict=True):
            if len(ids) >= context:
                yield failure(prompt.id, f"prompt of {len(ids)} tokens does not fit the context of {context}")
            else:
                limit, random = min(max_new_tokens, context - len(ids)), Random(f"{sampling.seed}:{prompt.id}")
                rows.append(Row(prompt.id, ids, prompt.features, limit, random))
        stopped = (lambda tokens: _cut(self._text(tokens), stop) is not None) if stop else None
        for batch in self._batches(rows):
            decode(
                self.model,
                batch,
                eos=self.end_id,
                pad=self.processor.pad_id,
                sampling=sampling,
                stopped=stopped,
            )
            yield from (self._answer(row, stop) for row in batch)

    @torch.inference_mode()
    def encode(self, images: Sequence[Image.Image]) -> list[Tensor]:
        """Projected features, tokens×H each, of images; none for a model that does not see."""
        features: list[Tensor] = []
        for start in range(0, len(images), ENCODE_IMAGES):
            pixels = self.processor.image_processor(images[start : start + ENCODE_IMAGES], return_tensors="pt")
            pixels = pixels["pixel_values"].to(self.model.device, self.model.dtype)
            features.extend(self.model.get_image_features(pixels).pooler_output)
        return features

    def _features(self, window: Sequence[ImageQueries]) -> list[Tensor | str | None]:
        """For each group its image's features, None without an image, or what went wrong with it."""
        found: list[Tensor | str | None] = [None] * len(window)
        if not self.model.config.sees_images:
            return found
        pending: list[tuple[int, Image.Image]] = []
        for place, group in enumerate(window):
            if group.image is None:
                continue
            try:
                pending.append((place, group.image().convert("RGB")))
            except Exception as error:  # Pillow's decoders raise many kinds for damaged files
                found[place] = f"image cannot be opened: {type(error).__name__}: {error}"
        for (place, _), features in zip(pending, self.encode([image for _, image in pending]), strict=True):
            found[place] = features
        return found

    def _batches(self, rows: Sequence[Row]) -> Iterator[list[Row]]:
        """Rows by falling length, so that the dearest batch comes first, cut by the token budget."""
        batch: list[Row] = []
        width = longest = 0
        for row in sorted(rows, key=lambda row: len(row.ids), reverse=True):
            width, longest = max(width, len(row.ids)), max(longest, row.limit)
            if batch and (len(batch) + 1) * (width + longest) > self.batch_tokens:
                yield batch
                batch, width, longest = [], len(row.ids), row.limit
            batch.append(row)
        if batch:
            yield batch

    def _answer(self, row: Row, stop: Sequence[str]) -> Answer:
        text = self._text(row.tokens)
        cut = _cut(text, stop)
        text = (text if cut is None else text[:cut]).strip()
        return Answer(row.key, text, row.finish_reason, len(row.tokens), row.logprob)

    def _text(self, tokens: Sequence[int]) -> str:
        text: str = self.processor.tokenizer.decode(tokens, skip_special_tokens=True)
        return text


def failure(id: str, error: str) -> Answer:
    """The answer to a question that could not be asked."""
    return Answer(id, "", "error", error=error)


def _cut(text: str, stop: Sequence[str]) -> int | None:
    """Where the first of the stop texts begins; None if there is none."""
    found = [place for place in (text.find(one) for one in stop if one) if place >= 0]
    return min(found, default=None)


def _windows(groups: Iterable[ImageQueries]) -> Iterator[list[ImageQueries]]:
    window: list[ImageQueries] = []
    rows = images = 0
    for group in groups:
        window.append(group)
        rows, images = rows + len(group.queries), images + (group.image is not None)
        if rows >= WINDOW_ROWS or images >= WINDOW_IMAGES:
            yield window
            window, rows, images = [], 0, 0
    if window:
        yield window
