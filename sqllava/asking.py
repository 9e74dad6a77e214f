"""Self-questioning at inference: the model looks at an image, asks about it, and answers its own questions.

Both protocols are those of the release, with the template that goes with the checkpoint's own and has a virtual user
(``v1_sq`` for ``v1``): "describe" lets the model caption the image first and asks after that; "none" asks with nothing
but the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from PIL import Image
from torch import Tensor

from sqllava.conversation import TEMPLATES, Turn
from sqllava.engine import Completion, Engine, Group, Request
from sqllava.errors import SqLlavaError
from sqllava.inference.requests import GREEDY
from sqllava.inference.sampling import Sampling

Preface = Literal["describe", "none"]

DESCRIBE = "Can you describe the image in detail?"
CAPTION_TOKENS = 300
ANSWER_TOKENS = 128
IMAGES_AT_ONCE = 32
"""Whose features are kept while their questions are asked."""


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question that the model asked, its own answer, and the question's log-probability.

    `logprob` sums the question tokens' natural-log probabilities, the end token included, under the model before
    temperature and truncation.
    """

    question: str
    answer: str
    logprob: float
    tokens: int = 0
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class AskedImage:
    """All questions about one image; `preface` is what the model said of it first. `error`: why there are none."""

    key: str
    questions: tuple[AskedQuestion, ...] = ()
    preface: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Protocol:
    """How questions are sampled after one kind of preface."""

    sampling: Sampling
    max_new_tokens: int


PROTOCOLS: dict[Preface, Protocol] = {
    "describe": Protocol(Sampling(temperature=1.2, top_k=300, top_p=0.95), max_new_tokens=300),
    "none": Protocol(Sampling(temperature=1.2, top_k=50, top_p=0.85), max_new_tokens=200),
}
"""The release's settings; it states no temperature for "none", which gets that of "describe"."""


@dataclass(frozen=True, slots=True)
class How:
    """How to ask. Settings that are None are those of `PROTOCOLS`."""

    n: int = 5
    preface: Preface = "describe"
    describe: str = DESCRIBE
    """What is said to get the preface."""
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0
    answer: bool = True
    """Whether the model answers its questions."""
    sequential: bool = False
    """Whether each question sees those before it and their answers; else they are sampled independently."""

    def __post_init__(self) -> None:
        if self.preface not in PROTOCOLS:
            raise SqLlavaError(f"unknown preface {self.preface!r}; there are: {', '.join(PROTOCOLS)}")
        if self.n < 1:
            raise SqLlavaError(f"n must be at least 1, not {self.n}")

    @property
    def sampling(self) -> Sampling:
        """Raises SqLlavaError for impossible settings."""
        wanted = {"temperature": self.temperature, "top_k": self.top_k, "top_p": self.top_p}
        given = {name: value for name, value in wanted.items() if value is not None}
        try:
            return replace(PROTOCOLS[self.preface].sampling, seed=self.seed, **given)  # type: ignore[arg-type]
        except ValueError as error:
            raise SqLlavaError(str(error)) from None


class Asker:
    """Asks about many images through one engine; what comes out for an image depends on its key and on `How` alone."""

    def __init__(self, model: Any, processor: Any, *, batch_tokens: int | None = None) -> None:
        self.template = TEMPLATES[TEMPLATES[model.config.conversation_template].asking]
        self.engine = Engine(model, processor, template=self.template.name, batch_tokens=batch_tokens)

    def ask(self, images: Mapping[str, Callable[[], Image.Image]], how: How) -> Iterator[AskedImage]:
        """Ask about the images, in their order; an image that cannot be opened becomes an `AskedImage` with an error.

        A blind model (`sees_images` False) opens none.
        """
        items = list(images.items())
        for start in range(0, len(items), IMAGES_AT_ONCE):
            features, errors = self._features(items[start : start + IMAGES_AT_ONCE])
            found = _Conversations(self, features, how).run()
            for key, _ in items[start : start + IMAGES_AT_ONCE]:
                yield AskedImage(key, error=errors[key]) if key in errors else found[key]

    def _features(
        self, items: Sequence[tuple[str, Callable[[], Image.Image]]]
    ) -> tuple[dict[str, Tensor | None], dict[str, str]]:
        if not self.engine.sees_images:
            return dict.fromkeys((key for key, _ in items), None), {}
        opened: dict[str, Image.Image] = {}
        errors: dict[str, str] = {}
        for key, opener in items:
            try:
                opened[key] = opener()
            except Exception as error:  # whatever the caller's opener raises is this image's failure, and recorded
                errors[key] = str(error) or type(error).__name__
        encoded = self.engine.encode(list(opened.values())) if opened else []
        return dict(zip(opened, encoded, strict=True)), errors


class _Conversations:
    """What has been said about each of some images."""

    def __init__(self, asker: Asker, features: Mapping[str, Tensor | None], how: How) -> None:
        self._engine, self._template, self._how = asker.engine, asker.template, how
        self._features = dict(features)
        self._turns: dict[str, list[Turn]] = {key: [] for key in features}
        self._asked: dict[str, list[AskedQuestion]] = {key: [] for key in features}
        self._errors: dict[str, str] = {}
        self._prefaces: dict[str, str] = {}

    def run(self) -> dict[str, AskedImage]:
        if self._how.preface == "describe":
            self._describe()
        rounds = self._how.n if self._how.sequential else 1
        for number in range(rounds):
            self._round(number)
        return {
            key: AskedImage(key, tuple(self._asked[key]), self._prefaces.get(key), self._errors.get(key))
            for key in self._turns
        }

    def _describe(self) -> None:
        opening = [Turn("user", self._how.describe)]
        prompts = {key: [self._template.prompt(opening, image=self._sees(key))] for key in self._features}
        for key, (said, *_) in self._say(prompts, CAPTION_TOKENS).items():
            self._prefaces[key] = said.text
            self._turns[key] = [*opening, Turn("assistant", said.text)]

    def _round(self, number: int) -> None:
        how = self._how
        limit = PROTOCOLS[how.preface].max_new_tokens
        prompts = {
            key: [self._template.prompt_question(self._turns[key], image=self._sees(key))] for key in self._open()
        }
        questions = self._say(prompts, limit, how.sampling, 1 if how.sequential else how.n, number)
        answers: Mapping[str, Sequence[Completion]] = {}
        if how.answer or how.sequential:
            asked = {
                key: [
                    self._template.prompt([*self._turns[key], Turn("vuser", q.text)], image=self._sees(key))
                    for q in each
                ]
                for key, each in questions.items()
            }
            answers = self._say(asked, ANSWER_TOKENS)
        for key, each in questions.items():
            if (how.answer or how.sequential) and key not in answers:
                continue
            said = answers[key] if key in answers else [None] * len(each)
            for question, answer in zip(each, said, strict=True):
                text = "" if answer is None else answer.text
                self._asked[key].append(
                    AskedQuestion(question.text, text, question.logprob or 0.0, question.tokens, question.finish_reason)
                )
                if how.sequential:
                    self._turns[key] += [Turn("vuser", question.text), Turn("assistant", text)]

    def _open(self) -> list[str]:
        return [key for key in self._features if key not in self._errors]

    def _sees(self, key: str) -> bool:
        return self._features[key] is not None

    def _say(
        self,
        prompts: Mapping[str, Sequence[str]],
        limit: int,
        sampling: Sampling = GREEDY,
        samples: int = 1,
        number: int = 0,
    ) -> dict[str, list[Completion]]:
        """Completions of each image's prompts in their order, samples together; images that fail drop out.

        `number` is the round: each draws its own samples.
        """
        groups = []
        for key, texts in prompts.items():
            requests = tuple(
                Request(f"{number + i}/{key}", text, limit, sampling, samples) for i, text in enumerate(texts)
            )
            groups.append(Group(requests, features=self._features[key]))
        found: dict[str, list[tuple[int, Completion]]] = {key: [] for key in prompts}
        for answer in self._engine.generate(groups):
            place, _, key = answer.id.partition("/")
            if answer.error is not None:
                self._errors[key] = answer.error
            found[key].append((int(place), answer))
        return {
            key: [answer for _, answer in sorted(each, key=lambda pair: (pair[0], pair[1].sample))]
            for key, each in found.items()
            if key not in self._errors
        }


def ask(
    model: Any,
    processor: Any,
    image: Image.Image,
    *,
    n: int = 5,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    preface: Preface = "describe",
) -> list[AskedQuestion]:
    """Let the model ask `n` questions about `image` and answer them.

    Questions are sampled independently, so they may repeat; the caption and the answers are greedy. Settings that are
    None are those of `PROTOCOLS`; the same seed gives the same questions. A blind model (`sees_images` False) gets no
    image.

    Raises SqLlavaError for an unknown preface, or if the conversation outgrows the model's context.
    """
    how = How(n, preface, DESCRIBE, temperature, top_k, top_p, seed)
    (asked,) = Asker(model, processor).ask({"0": lambda: image}, how)
    if asked.error is not None:
        raise SqLlavaError(asked.error)
    return list(asked.questions)
