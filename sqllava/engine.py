"""The shared-prefix engine: many questions about each image, and each image's part computed once.

Benchmarks ask many questions about one image, and most of a prompt is the image: 576 of some 640 tokens. A row for each
question computes them again each time. Here a group of requests about one image is a tree (`inference/tree.py`):

    system text ─┬─ image 1, "..." ─┬─ question 1 → answer
                 │                  └─ question 2 → answer
                 └─ image 2, "..." ─── ...

What all requests of a group begin with is found by comparing their tokens, so the answers are those of whole rows:
each token attends to exactly what it would have seen there, at the same position.

The life of a group:

1. `Intake`    its prompts are tokenized and cut into prefix and segments, ahead of the model; groups that will need
               most memory come first, so that running out of it happens at once or never.
2. `_take`     as many groups as the token budget allows form a wave; a group beyond the budget goes in parts.
3. `_launch`   the images are encoded, the prefixes computed, then all segments in one pass; each says its first token.
4. `_step`     all live segments of all waves say one more token. Finished ones leave and give their memory back; as
               soon as half of the budget is free, the next wave starts.

Out of memory, what is in flight starts over with half of the budget. A model that cannot be computed on a tree is asked
row by row (`inference/rows.py`), and the engine says so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from sqllava.conversation import Turn
from sqllava.conversation import template as find_template
from sqllava.inference import rows
from sqllava.inference.budget import measured_budget
from sqllava.inference.intake import Intake
from sqllava.inference.jobs import Job, failure
from sqllava.inference.kernels import usual_kernel
from sqllava.inference.packed import PackedModel, fault
from sqllava.inference.pictures import Features, encode
from sqllava.inference.requests import Completion, Group, Request, Scored, ScoreRequest, Stats
from sqllava.inference.segment import Segment, scores, speak
from sqllava.inference.waves import Launcher, Wave, alike_in_length, held

__all__ = ["Completion", "Engine", "Group", "Request", "ScoreRequest", "Scored", "Stats"]

log = logging.getLogger(__name__)


class Engine:
    """Generation and scoring with one model.

    template: names the conversation template whose end token ends an answer; None: the checkpoint's own.
    end_id: token that ends an answer, instead of the template's: of models that are asked in a format of their own.
    batch_tokens: prompt and answer tokens that are held at once; None: measured (CUDA), or what suits a CPU.
    workers: processes that open and resize images ahead of the model; 0: none, the model waits for each image.
    feature_memory: bytes for features of images with a key, which are then encoded once however often they come.
    packed: False: ask row by row.

    Raises TemplateError for a template that is unknown or whose tokens the tokenizer does not have, ValueError for a
    budget below 1.
    """

    def __init__(
        self, model: Any, processor: Any, *, template: str | None = None, end_id: int | None = None,
        batch_tokens: int | None = None, workers: int = 0, feature_memory: int = 1 << 30, packed: bool = True,
    ) -> None:  # fmt: skip
        if batch_tokens is not None and batch_tokens < 1:
            raise ValueError("batch_tokens must be at least 1")
        self.model, self.processor, self.workers = model, processor, workers
        self.template = find_template(template or model.config.conversation_template)
        self.end_id = self.template.end_id(processor.tokenizer) if end_id is None else end_id
        self.sees_images: bool = getattr(model.config, "sees_images", True)  # transformers' LLaVA always does
        self.stats = Stats()
        self._features = Features(feature_memory)
        self._launcher = self._packing() if packed else None
        self.batch_tokens = batch_tokens or (
            measured_budget(self._launcher.packed) if self._launcher else rows.BATCH_TOKENS
        )

    @property
    def packs(self) -> bool:
        """Whether prefixes are shared; False: rows."""
        return self._launcher is not None

    def _packing(self) -> Launcher | None:
        """The model on a tree, by the fastest kernel that proves right; None if none does."""
        kernels = dict.fromkeys((usual_kernel(self.model.device, self.model.dtype), "math"))
        for kernel in kernels:
            packed = PackedModel(self.model, kernel)
            wrong = fault(packed)
            if wrong is None:
                return Launcher(packed)
            self._note(f"the shared-prefix engine cannot compute this model by its {kernel} kernel: {wrong}")
        self._note("every question is computed as a row of its own")
        return None

    def generate(self, groups: Iterable[Group]) -> Iterator[Completion]:
        """Answer every request of `groups`, `samples` times each, in any order, as answers become known.

        An image that cannot be opened, or a prompt that does not fit the model's context, gives completions with
        `error` for each request concerned, and the rest goes on.
        """
        for answer in self._run(groups):
            assert isinstance(answer, Completion), "score() gives log-likelihoods"
            yield answer

    def score(self, groups: Iterable[Group]) -> Iterator[Scored]:
        """The log-likelihood of every continuation of the groups' `ScoreRequest`s, in any order; errors as above.

        A continuation's tokens are those that the prompt's tokenization does not have: prompt and continuation are
        tokenized together.
        """
        for answer in self._run(groups):
            assert isinstance(answer, Scored), "generate() gives completions"
            yield answer

    def prompt(self, text: str, *, image: bool) -> str:
        """A user's turn in the engine's template, behind the image if there is one and the model sees.

        Raises TemplateError for a text that holds ``<image>``.
        """
        return self.template.prompt([Turn("user", text)], image=image and self.sees_images)

    def encode(self, images: Sequence[Image.Image]) -> list[Tensor]:
        """Projected features, tokens×H each, of images."""
        pictures = self.processor.image_processor([image.convert("RGB") for image in images], return_tensors="pt")
        return encode(self.model, list(pictures["pixel_values"]))

    def _run(self, groups: Iterable[Group]) -> Iterator[Completion | Scored]:
        """All answers, with the books kept."""
        began = time.monotonic()
        todo = Intake(
            groups, self.model, self.processor, sees_images=self.sees_images, workers=self.workers,
            features=self._features, stats=self.stats,
        )  # fmt: skip
        try:
            for answer in self._packed(todo) if self._launcher else rows.answers(self, todo):
                self.stats.requests += 1
                if isinstance(answer, Completion):
                    self.stats.generated_tokens += answer.tokens
                self.stats.seconds += time.monotonic() - began
                yield answer
                began = time.monotonic()
        finally:
            self.stats.seconds += time.monotonic() - began

    def _packed(self, todo: Intake) -> Iterator[Completion | Scored]:
        waves: list[Wave] = []
        while waves or todo:
            room = self.batch_tokens - held(waves, todo.ready)
            taken = self._take(todo, room) if not waves or 2 * room >= self.batch_tokens else []
            try:
                if taken:
                    yield from self._launch(taken, todo, waves)
                elif waves:
                    yield from self._step(waves)
            except torch.OutOfMemoryError:
                yield from self._retreat(taken, waves, todo)
            yield from todo.failed
            todo.failed.clear()
            waves = [wave for wave in waves if wave.live]

    def _take(self, todo: Intake, room: int) -> list[Job]:
        """The next jobs that fit into `room` tokens together; of one that fits into no budget, a part."""
        taken: list[Job] = []
        while (job := todo.peek()) is not None:
            large = job.node is not None or job.cost > self.batch_tokens
            if large and not taken:
                whole = job.cost <= room or len(job.segments) == 1
                return [todo.pop() if whole else job.split(room)]
            if large or job.cost > room or (taken and not alike_in_length(len(job.prefix), len(taken[0].prefix))):
                break
            taken.append(todo.pop())
            room -= job.cost
        return taken

    def _launch(self, taken: list[Job], todo: Intake, waves: list[Wave]) -> list[Completion | Scored]:
        """Start a wave; gives what is finished with its first token, and scores."""
        assert self._launcher is not None
        taken[:] = todo.see(taken, self.working)
        if not taken:
            return []
        with self.working():
            before = self._launcher.computed
            prefixes = self._launcher.prefixes(taken)
            rest = todo.ready[0] if todo.ready else None
            if rest is not None and len(taken) == 1 and rest.group is taken[0].group:  # the rest of a large group
                rest.node, rest.features = prefixes, taken[0].features
            wave, hidden, continuations = self._launcher.start(taken, prefixes)
            count = len(wave.live)
            answers = scores(continuations, hidden[count:], self._launcher.packed.logits)
            if count:
                speak(wave.live, self._launcher.packed.logits(hidden[:count]), self.end_id, self.text)
            self.stats.prefilled_tokens += self._launcher.computed - before
        waves.append(wave)
        return [*answers, *self._finished([wave])]

    def _step(self, waves: list[Wave]) -> list[Completion]:
        """One more token for every live segment; gives those that end with it."""
        assert self._launcher is not None
        with self.working():
            live, logits = self._launcher.step(waves)
            speak(live, logits, self.end_id, self.text)
        return self._finished(waves)

    def _finished(self, waves: Sequence[Wave]) -> list[Completion]:
        done = [segment for wave in waves for segment in wave.live if segment.finish_reason is not None]
        for wave in waves:
            wave.shrink()
        return [segment.completion(self.text) for segment in done]

    def _retreat(self, taken: Sequence[Job], waves: list[Wave], todo: Intake) -> list[Completion | Scored]:
        """Memory ran out: what is in flight starts over, with half of the budget. A single segment fails."""
        again: list[Job] = []
        for wave in waves:
            unfinished = {id(segment) for segment in wave.live}
            for job in wave.jobs:
                job.segments = [one for one in job.segments if id(one) in unfinished]
                again += [job] if job.segments else []
        again += taken
        waves.clear()
        for job in (*again, *todo.ready):
            job.node = None
        segments = [one for job in again for one in job.segments]
        for one in segments:
            if isinstance(one, Segment):
                one.restart()
        if len(segments) == 1:
            return [failure(segments[0], "out of memory, though computed alone")]
        self.shrink()
        todo.push(again)
        return []

    def shrink(self) -> None:
        """Hold half as many tokens from now on."""
        self.batch_tokens = max(1, self.batch_tokens // 2)
        self.stats.splits += 1
        self._note(f"out of memory; going on with {self.batch_tokens:,} tokens at once")

    def text(self, tokens: Sequence[int]) -> str:
        """Tokens as text, special ones left out."""
        text: str = self.processor.tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    @contextmanager
    def working(self) -> Iterator[None]:
        """Time inside the block is the model's."""
        began = time.monotonic()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.stats.model_seconds += time.monotonic() - began

    def _note(self, line: str) -> None:
        self.stats.notes.append(line)
        log.warning(line)
