"""SQ-LLaVA as a model of lmms-eval 0.7: its requests, grouped by image, through the shared-prefix engine.

Imported by lmms-eval alone, by the name that `sqllava.lmms` gives it.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from lmms_eval.api.instance import GenerationResult
from lmms_eval.api.model import lmms
from PIL import Image
from tqdm import tqdm

from sqllava.checkpoints import load
from sqllava.engine import Completion, Engine, Group, Request, Scored, ScoreRequest
from sqllava.errors import SqLlavaError, TemplateError
from sqllava.inference.requests import GREEDY
from sqllava.inference.sampling import Sampling

MAX_NEW_TOKENS = 1024
"""For a task that sets no limit, as lmms-eval's own LLaVA adapters have it."""
SHOWN = 5

Opener = Callable[[], Image.Image]
Asked = Callable[[str, Any, bool], Request | ScoreRequest]
"""From a key, one of lmms-eval's requests, and whether it has an image, to what the engine is asked."""
Answer = TypeVar("Answer", Completion, Scored)

log = logging.getLogger(__name__)


class RequestsFailedError(SqLlavaError):
    """Requests without an answer: lmms-eval would score whatever stands in their place as if it were one."""


class UnsupportedError(SqLlavaError):
    """A question that this model cannot be asked."""


class Likelihood(tuple[float, bool], GenerationResult):  # type: ignore[misc]
    """A value and whether it is greedy: the pair that lmms-eval asks for.

    Release 0.7.3 turns whatever a model returns into text, pairs too, and then fails to unpack them; the text of a
    `GenerationResult` it takes as it is.
    """

    token_counts = None

    def __init__(self, pair: tuple[float, bool]) -> None:
        """`tuple` has it already."""

    @property
    def text(self) -> Likelihood:
        """The pair itself."""
        return self


class Adapter(lmms):  # type: ignore[misc]  # lmms-eval has no types
    """``pretrained`` is whatever `sqllava.load` takes; ``dtype``, ``base``, ``template``, ``image_aspect_ratio`` (pad
    or crop) and ``batch_tokens`` are as with ``sqeval run``.

    batch_size, max_batch_size: taken and not used; the engine packs by tokens, whatever the batch.
    on_error: ``raise`` once all requests are done, or ``empty``: log each failure and give the empty text, which
        lmms-eval then scores.

    Raises ValueError for other arguments, SqLlavaError for a checkpoint that cannot be used.
    """

    is_simple = True

    def __init__(
        self, pretrained: str = "mini", device: str | None = None, dtype: str = "auto", base: str | None = None,
        template: str | None = None, image_aspect_ratio: str | None = None, batch_tokens: int | None = None,
        on_error: str = "raise", batch_size: int | str | None = None, max_batch_size: int | None = None, **other: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        if other:
            raise ValueError(f"model sqllava has no argument {', '.join(sorted(other))}; see docs/lmms-eval.md")
        if on_error not in ("raise", "empty"):
            raise ValueError(f"on_error must be raise or empty, not {on_error!r}")
        if image_aspect_ratio not in (None, "pad", "crop"):
            raise ValueError(f"image_aspect_ratio must be pad or crop, not {image_aspect_ratio!r}")
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise ValueError("model sqllava runs in one process here; `sqeval run --tasks lmms:NAME` knows workers")
        model, processor = load(pretrained, base=base, device=device or "auto", dtype=dtype)
        if image_aspect_ratio is not None:
            processor.image_processor.image_aspect_ratio = image_aspect_ratio
        self.engine = Engine(model, processor, template=template, batch_tokens=batch_tokens)
        self.on_error = on_error

    @property
    def device(self) -> Any:
        """Where the model is."""
        return self.engine.model.device

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Answers in the order of the requests, after all of them are done. Raises RequestsFailedError."""

        def asked(key: str, instance: Any, image: bool) -> Request:
            context, settings = instance.args[:2]
            return generation(key, self.engine.prompt(context, image=image), settings)

        return ["" if found is None else found.text for found in self._answers(requests, asked, self.engine.generate)]

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Of each continuation its log-likelihood, and whether it is what greedy decoding says.

        In tasks of multiple choice it is the *negative* log-likelihood, summed over tokens: lmms-eval takes the choice
        with the smallest value, because its own adapters give a loss. Raises ValueError for mutual information, which
        takes the largest of the same numbers, and RequestsFailedError.
        """
        if any(len(instance.args) < 6 for instance in requests):
            raise ValueError("model sqllava does not compute acc_mutual_info: lmms-eval mixes losses and likelihoods")

        def asked(key: str, instance: Any, image: bool) -> ScoreRequest:
            context, continuation = instance.args[:2]
            if callable(continuation):  # the task's doc_to_target
                continuation = str(continuation(self._doc(instance)))
            return ScoreRequest(key, self.engine.prompt(context, image=image), (continuation,))

        values: list[tuple[float, bool]] = []
        for instance, found in zip(requests, self._answers(requests, asked, self.engine.score), strict=True):
            known = -math.inf if found is None or found.logprob is None else found.logprob
            value = known if callable(instance.args[1]) else -known
            values.append(Likelihood((value, found is not None and found.greedy)))
        return values

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Not supported."""
        raise NotImplementedError("model sqllava answers single questions; tasks of several rounds are not supported")

    def clean(self) -> None:
        """Keep the model: lmms-eval's own method deletes it, and the object may be asked again."""

    def _answers(
        self, requests: Sequence[Any], asked: Asked, answered: Callable[[Sequence[Group]], Iterator[Answer]]
    ) -> list[Answer | None]:
        """In the order of the requests; None for those that failed, if that is not an error."""
        groups: list[Group] = []
        problems: dict[int, str] = {}
        found: list[Answer | None] = [None] * len(requests)
        for opener, numbers in self._by_image(requests, problems):
            members = []
            for number in numbers:
                try:
                    members.append(asked(str(number), requests[number], opener is not None))
                except TemplateError as error:
                    problems[number] = str(error)
            if members:
                groups.append(Group(tuple(members), opener))
        for answer in tqdm(answered(groups), "sqllava", sum(len(group.requests) for group in groups)):
            if answer.error is None:
                found[int(answer.id)] = answer
            else:
                problems[int(answer.id)] = answer.error
        self._tell(requests, problems)
        return found

    def _by_image(self, requests: Sequence[Any], problems: dict[int, str]) -> Iterator[tuple[Opener | None, list[int]]]:
        """What opens an image, and the numbers of all requests about it. Images are one if their pixels are the same.

        A document is looked at once, however many requests it has, and its image is opened again when its turn comes.
        """
        known: dict[tuple[Any, ...], str | UnsupportedError | None] = {}
        groups: dict[str, tuple[Opener | None, list[int]]] = {}
        for number, instance in enumerate(requests):
            document = instance.args[3:6]
            if document not in known:
                known[document] = self._pixels_digest(instance)
            digest = known[document]
            if isinstance(digest, UnsupportedError):
                problems[number] = str(digest)
            elif digest is None:
                groups[f"text {number}"] = None, [number]
            else:
                groups.setdefault(digest, (partial(self._open, instance), []))[1].append(number)
        return iter(groups.values())

    def _pixels_digest(self, instance: Any) -> str | UnsupportedError | None:
        """Of the request's image; None if it has none."""
        visuals = self._visuals(instance)
        if not visuals:
            return None
        if len(visuals) > 1 or not isinstance(visuals[0], Image.Image):
            kinds = ", ".join(sorted({type(one).__name__ for one in visuals}))
            return UnsupportedError(f"the model sees one image a question, not {len(visuals)} of {kinds}")
        image = visuals[0].convert("RGB")
        return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()

    def _open(self, instance: Any) -> Image.Image:
        image: Image.Image = self._visuals(instance)[0]
        return image

    def _visuals(self, instance: Any) -> Sequence[Any]:
        show = instance.args[2]
        return (show(self._doc(instance)) if callable(show) else show) or ()

    def _doc(self, instance: Any) -> Any:
        number, task, split = instance.args[3:6]
        return self.task_dict[task][split][number]

    def _tell(self, requests: Sequence[Any], problems: Mapping[int, str]) -> None:
        """Name the requests without an answer. Raises RequestsFailedError, unless told otherwise."""
        lines = [
            f"{'/'.join(map(str, requests[n].args[4:2:-1]))}: {problem}" for n, problem in sorted(problems.items())
        ]
        for line in lines if self.on_error == "empty" else ():
            log.error("no answer, and the empty text in its place: %s", line)
        if lines and self.on_error == "raise":
            more = f" (and {len(lines) - SHOWN} more)" if len(lines) > SHOWN else ""
            raise RequestsFailedError(
                f"{len(lines)} of {len(requests)} requests failed: {'; '.join(lines[:SHOWN])}{more}; "
                "--model_args on_error=empty scores them as empty answers"
            )


def generation(key: str, prompt: str, settings: Mapping[str, Any]) -> Request:
    """A request as a task's ``generation_kwargs`` have it.

    Greedy unless ``temperature`` is positive: like lmms-eval's LLaVA adapters, without regard to ``do_sample``. Raises
    ValueError for beams.
    """
    if (settings.get("num_beams") or 1) > 1:
        raise ValueError(f"num_beams={settings['num_beams']}: model sqllava does not search by beams")
    temperature = float(settings.get("temperature") or 0)
    sampling = Sampling(temperature, top_p=float(settings.get("top_p") or 1), seed=int(key)) if temperature else GREEDY
    until = settings.get("until") or ()
    stop = (until,) if isinstance(until, str) else tuple(until)
    limit = int(settings.get("max_new_tokens") or MAX_NEW_TOKENS)
    return Request(key, prompt, limit, sampling, stop=tuple(text for text in stop if text))
