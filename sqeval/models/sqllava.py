"""SQ-LLaVA checkpoints as models of the harness. The package `sqllava` is imported when one is loaded."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from math import exp, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqeval.config import RunConfig
from sqeval.data.mini.cache import cache_home
from sqeval.errors import UserError
from sqeval.model import Completion, Group, Identity, Request, Work
from sqeval.models.kinds import ModelKind, Note
from sqeval.questions.asking import AskedAbout, How
from sqeval.questions.files import Asked

if TYPE_CHECKING:
    from sqeval.data.images import ImageRef
    from sqllava.asking import Asker
    from sqllava.asking import How as AskHow
    from sqllava.engine import Engine
    from sqllava.engine import Group as EngineGroup
    from sqllava.engine import Request as EngineRequest

ARGS = {
    "template": "conversation template, as `v1`; the checkpoint's own unless set",
    "image_aspect_ratio": "how images become square: pad or crop",
}
YES, NO = (" Yes", " yes"), (" No", " no")
"""What an answer may begin with, behind the template's colon."""
GROUPS_AT_ONCE = 256
"""Images about which a model asks itself before they are answered."""
MOST_WORKERS = 8
"""More processes than this open images faster than one GPU looks at them."""


@dataclass(frozen=True)
class SqLlavaModel:
    """A loaded checkpoint behind the model protocol."""

    identity: Identity
    engine: Engine
    note: Callable[[str], None] | None = None
    """Is told what the engine warns of; None: nobody but Python's logging."""
    self_questions: int = 0
    """Questions that the model asks itself about an image, and answers, before it is asked anything."""

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        """Answer every request of `groups` once, in the order in which the engine finishes them."""
        if not self.self_questions:
            yield from self._generate(groups, {})
            return
        for start in range(0, len(groups), GROUPS_AT_ONCE):
            batch = groups[start : start + GROUPS_AT_ONCE]
            images = [group.image for group in batch if group.image is not None]
            how = How(n=self.self_questions, answer=True)
            said = {asked.key: asked.questions for asked in self.ask(images, how)}
            yield from self._generate(batch, said)

    def _generate(self, groups: Sequence[Group], said: Mapping[str, Sequence[Asked]]) -> Iterator[Completion]:
        """`said` is what the model asked itself about an image, by key, and comes before the question."""
        from sqllava.engine import Group as EngineGroup

        asked: list[EngineGroup] = []
        for group in groups:
            requests = []
            before = () if group.image is None else said.get(group.image.key, ())
            for request in group.requests:
                found = self._request(request, group.image is not None, before)
                if isinstance(found, Completion):
                    yield found
                else:
                    requests.append(found)
            if requests:
                # Without a key: an image has one group, so the engine need not keep its features for another.
                asked.append(EngineGroup(tuple(requests), None if group.image is None else group.image.open))
        yield from completions(self.engine, asked, self.note)

    def asking(self, how: How) -> Mapping[str, Any]:
        """The protocol of the release, with the settings that are really used."""
        from sqllava.asking import PROTOCOLS

        wanted = self._how(how)
        sampling = wanted.sampling
        used = replace(how, temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p)
        limit = PROTOCOLS[wanted.preface].max_new_tokens
        return used.to_gen("vuser", template=self._asker.template.name, max_new_tokens=limit)

    def ask(self, images: Sequence[ImageRef], how: How) -> Iterator[AskedAbout]:
        """Ask about each image, in order, by the virtual user's turn."""
        wanted = self._how(how)
        for said in self._asker.ask({image.key: image.open for image in images}, wanted):
            questions = tuple(
                Asked("", q.question, q.finish_reason, q.tokens, q.logprob, q.answer if how.answer else None)
                for q in said.questions
            )
            preface = None if said.preface is None else (how.describe_with, said.preface)
            yield AskedAbout(said.key, questions, preface, said.error)

    def yes(self, asked: Mapping[ImageRef, Sequence[str]]) -> dict[ImageRef, list[float]]:
        """P(yes) / (P(yes) + P(no)) of each prompt about each image, whichever way the two are written."""
        from sqllava.engine import Group as EngineGroup
        from sqllava.engine import ScoreRequest

        images = list(asked)
        groups = []
        for number, image in enumerate(images):
            prompts = [self.engine.prompt(text, image=True) for text in asked[image]]
            requests = (ScoreRequest(f"{number}/{i}", prompt, YES + NO) for i, prompt in enumerate(prompts))
            groups.append(EngineGroup(tuple(requests), image.open))
        sums = {image: [[0.0, 0.0] for _ in asked[image]] for image in images}
        for scored in self.engine.score(groups):
            which, _, place = scored.id.partition("/")
            if scored.logprob is not None:
                sums[images[int(which)]][int(place)][scored.continuation >= len(YES)] += exp(scored.logprob)
        return {image: [yes / (yes + no) if yes + no else nan for yes, no in each] for image, each in sums.items()}

    @cached_property
    def _asker(self) -> Asker:
        from sqllava.asking import Asker

        return Asker(self.engine.model, self.engine.processor)

    def _how(self, how: How) -> AskHow:
        from sqllava.asking import How as AskHow
        from sqllava.errors import SqLlavaError

        try:
            wanted = AskHow(
                how.n,
                "none" if how.preface == "none" else "describe",
                how.describe_with,
                how.temperature,
                how.top_k,
                how.top_p,
                how.seed,
                how.answer,
                how.sequential,
            )
            _ = wanted.sampling
        except SqLlavaError as error:
            raise UserError(str(error)) from error
        return wanted

    def work(self) -> Work:
        """What the engine counted."""
        return work(self.engine)

    def _request(self, request: Request, image: bool, before: Sequence[Asked] = ()) -> EngineRequest | Completion:
        """The request in the engine's words, or why it cannot be asked. Pairs of question and answer stand `before` it
        as ordinary turns, as in the release."""
        from sqllava.conversation import Turn
        from sqllava.errors import TemplateError

        try:
            pairs = [turn for q in before for turn in (Turn("user", q.text), Turn("assistant", q.answer or ""))]
            seen = image and self.engine.sees_images
            prompt = self.engine.template.prompt([*pairs, Turn("user", request.prompt)], image=seen)
        except TemplateError as error:
            return Completion(request.task, request.id, "", "error", error=str(error))
        return engine_request(request, prompt)


def engine_request(request: Request, prompt: str) -> EngineRequest:
    """A request as the engine wants it, asked by `prompt`."""
    from sqllava.engine import Request as EngineRequest
    from sqllava.inference.sampling import Sampling

    settings = request.settings
    return EngineRequest(
        f"{request.task}/{request.id}",  # tasks name folders, so that the first slash parts the two
        prompt,
        max_new_tokens=settings.max_new_tokens,
        sampling=Sampling(temperature=settings.temperature, seed=settings.seed),
        stop=settings.stop,
    )


def completions(engine: Engine, asked: Sequence[EngineGroup], note: Note | None) -> Iterator[Completion]:
    """The engine's answers to requests made by `engine_request`, in the order in which it finishes them."""
    with told(note):
        for answer in engine.generate(asked):
            task, _, key = answer.id.partition("/")
            yield Completion(task, key, answer.text, answer.finish_reason, answer.tokens, answer.logprob, answer.error)


def work(engine: Engine) -> Work:
    """What the engine counted."""
    stats = engine.stats
    return Work(
        prompt_tokens=stats.prompt_tokens,
        prefilled_tokens=stats.prefilled_tokens,
        generated_tokens=stats.generated_tokens,
        images_encoded=stats.images,
        seconds=stats.model_seconds,
        batch_tokens=engine.batch_tokens,
        shared_prefixes=engine.packs,
        notes=tuple(stats.notes),
    )


def load_sqllava(
    ckpt: str,
    *,
    device: str,
    dtype: str,
    batch_tokens: int | None,
    args: dict[str, str],
    image_workers: int | None = None,
    rows: bool = False,
    self_questions: int = 0,
    base: str | None = None,
    vision_tower: str | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> SqLlavaModel:
    """Load whatever `sqllava.load` takes, or a release, which is converted into the cache the first time.

    batch_tokens, image_workers: None: what suits the device.
    rows: ask each question alone, though the model could share what they begin with.
    self_questions: what the model asks itself about an image, and answers, before it is asked anything.
    base, vision_tower: what a release needs and does not hold; `base` for an adapter: instead of its own.
    note: shows the user a line.

    Raises UserError for a checkpoint that cannot be used, an unknown device or dtype, and wrong values of `args`.
    """
    from sqllava.checkpoints import checkpoint_hash, load
    from sqllava.conversion_cache import prepare
    from sqllava.engine import Engine
    from sqllava.errors import ForeignModelError, SqLlavaError

    try:
        ready = prepare(ckpt, base=base, vision_tower=vision_tower, cache=cache_home(), note=note)
        model, processor = load(ready.checkpoint, base=ready.base, device=device, dtype=dtype)
        mode = args.get("image_aspect_ratio", model.config.image_aspect_ratio)
        if mode not in ("pad", "crop"):
            raise UserError(f"image_aspect_ratio must be pad or crop, not {mode!r}")
        processor.image_processor.image_aspect_ratio = mode
        with told(note):
            engine = Engine(
                model,
                processor,
                template=args.get("template"),
                batch_tokens=batch_tokens,
                workers=usual_workers(model.device.type) if image_workers is None else image_workers,
                packed=not rows,
            )
        content = checkpoint_hash(ready.checkpoint, base=ready.base)
    except ForeignModelError as error:
        raise UserError(f"{error}; --model hf runs other models of transformers") from error
    except SqLlavaError as error:
        raise UserError(str(error)) from error
    details = {
        "dtype": str(model.dtype).removeprefix("torch."),
        "template": engine.template.name,
        "image_aspect_ratio": mode if engine.sees_images else None,
    }
    if self_questions:
        details["self_questions"] = str(self_questions)
    who = Identity(
        name=Path(ckpt).name, kind="sqllava", checkpoint=ckpt, checkpoint_hash=content,
        sees_images=engine.sees_images, details=details, origin=ready.origin,
    )  # fmt: skip
    return SqLlavaModel(who, engine, note, self_questions)


def _load(config: RunConfig, note: Note) -> SqLlavaModel:
    return load_sqllava(
        str(config.ckpt),
        device=config.device,
        dtype=config.dtype,
        batch_tokens=config.batch_tokens,
        image_workers=config.image_workers,
        rows=config.engine == "rows",
        self_questions=config.self_questions,
        args=dict(config.model_args),
        base=config.base,
        vision_tower=config.vision_tower,
        note=note,
    )


def usual_workers(device: str) -> int:
    """A GPU must not wait for images; on a CPU other processes would take from the model what they give."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_WORKERS, cores - 1) if device == "cuda" else 0


@contextmanager
def told(note: Callable[[str], None] | None) -> Iterator[None]:
    """Inside the block `note` gets each warning of the engine as it comes."""
    if note is None:
        yield
        return
    handler = _Notes(note)
    log = logging.getLogger("sqllava.engine")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class _Notes(logging.Handler):
    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        self._note(record.getMessage())


def packaged() -> list[str]:
    """Names of the checkpoints that come with the package."""
    from sqllava.locate import PRETRAINED

    return sorted(folder.name for folder in PRETRAINED.iterdir() if (folder / "config.json").is_file())


KIND = ModelKind(
    "SQ-LLaVA and LLaVA-1.5 checkpoints, by the shared-prefix engine",
    _load,
    ckpt="a checkpoint folder, a hub id, or a packaged name such as `mini`",
    args=ARGS,
    flags=("base", "vision_tower", "self_questions"),
)
