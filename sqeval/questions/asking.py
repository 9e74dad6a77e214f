"""Let a model ask about images: the release's protocol for models that have one, an instruction for all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, runtime_checkable

from sqeval.data.images import ImageRef
from sqeval.model import Completion, Group, Model, Request, Settings
from sqeval.questions.files import Asked

DESCRIBE = "Can you describe the image in detail?"
ASK = "Ask one question about this image that can be answered by looking at it. Write the question and nothing else."
ANOTHER = "Questions that were asked before:\n{before}\nAsk another one, about something else. {ask}"
BRIEFLY = "Answer the question using a single word or phrase."
QUESTION_TOKENS, ANSWER_TOKENS, DESCRIPTION_TOKENS = 64, 64, 300
USUAL_TEMPERATURE = 1.2


@dataclass(frozen=True, slots=True)
class How:
    """How to ask. None: what the model's own protocol says."""

    n: int = 5
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    preface: str = "describe"
    """``describe``, ``none``, or ``file`` for `describe_with`."""
    describe_with: str = DESCRIBE
    answer: bool = False
    sequential: bool = False
    seed: int = 0

    def to_gen(self, protocol: str, **settings: Any) -> dict[str, Any]:
        """The ``gen`` field of a questions file."""
        given = {key: value for key, value in asdict(self).items() if value is not None}
        sampling = "sequential" if given.pop("sequential") else "iid"
        told = {"protocol": protocol, "sampling": sampling, **given, **settings}
        if self.preface == "none":
            told.pop("describe_with")
        return told


@dataclass(frozen=True, slots=True)
class AskedAbout:
    """All questions about one image, or why there are none."""

    key: str
    questions: tuple[Asked, ...] = ()
    preface: tuple[str, str] | None = None
    error: str | None = None


@runtime_checkable
class Asker(Protocol):
    """Optional: models that were trained to ask."""

    def asking(self, how: How) -> Mapping[str, Any]:
        """The ``gen`` field: protocol and the settings that are really used."""
        ...

    def ask(self, images: Sequence[ImageRef], how: How) -> Iterator[AskedAbout]:
        """Ask about each image once, in any order; `Asked.qid` is empty."""
        ...


@dataclass(frozen=True, slots=True)
class Instructed:
    """Any model of the harness, told to ask."""

    model: Model

    def asking(self, how: How) -> Mapping[str, Any]:
        how = self._usual(how)
        return how.to_gen("instruction", instruction=ASK, max_new_tokens=QUESTION_TOKENS)

    def ask(self, images: Sequence[ImageRef], how: How) -> Iterator[AskedAbout]:
        how = self._usual(how)
        errors: dict[str, str] = {}
        said: dict[str, list[str]] = {image.key: [] for image in images}
        rounds = how.n if how.sequential else 1
        for number in range(rounds):
            groups = [
                Group(image, tuple(self._requests(how, said[image.key], number)))
                for image in images
                if image.key not in errors
            ]
            for key, found in self._answers(groups, errors).items():
                said[key] += [answer.text for answer in found]
        answers = self._own_answers(images, said, errors) if how.answer else {}
        for image in images:
            texts = said[image.key]
            own = answers.get(image.key) or [None] * len(texts)
            asked = tuple(Asked("", text, answer=answer) for text, answer in zip(texts, own, strict=True))
            error = errors.get(image.key)
            yield AskedAbout(image.key, () if error else asked, error=error)

    def _usual(self, how: How) -> How:
        """An instruction needs no description first; questions are drawn."""
        temperature = USUAL_TEMPERATURE if how.temperature is None else how.temperature
        return replace(how, temperature=temperature, preface="none", top_k=None, top_p=None)

    def _requests(self, how: How, before: Sequence[str], number: int) -> Iterator[Request]:
        prompt = ASK
        if before:
            prompt = ANOTHER.format(before="\n".join(f"- {text}" for text in before), ask=ASK)
        settings = Settings(QUESTION_TOKENS, how.temperature or 0.0, seed=how.seed)
        for i in range(1 if how.sequential else how.n):
            yield Request("ask", str(number + i), prompt, settings)

    def _own_answers(
        self, images: Sequence[ImageRef], said: Mapping[str, Sequence[str]], errors: dict[str, str]
    ) -> dict[str, list[str | None]]:
        settings = Settings(ANSWER_TOKENS)
        groups = [
            Group(
                image,
                tuple(Request("ask", str(i), f"{text}\n{BRIEFLY}", settings) for i, text in enumerate(said[image.key])),
            )
            for image in images
            if image.key not in errors and said[image.key]
        ]
        return {key: [answer.text for answer in found] for key, found in self._answers(groups, errors).items()}

    def _answers(self, groups: Sequence[Group], errors: dict[str, str]) -> dict[str, list[Completion]]:
        """Completions of each image in the order of its requests; failures go to `errors`."""
        named = []
        for group in groups:
            assert group.image is not None
            key = group.image.key
            named.append(replace(group, requests=tuple(replace(r, id=f"{r.id}/{key}") for r in group.requests)))
        found: dict[str, list[tuple[int, Completion]]] = {}
        for answer in self.model.generate(named):
            place, _, key = answer.id.partition("/")
            if answer.error is not None:
                errors[key] = answer.error
            found.setdefault(key, []).append((int(place), answer))
        ordered = {key: sorted(answers, key=lambda pair: pair[0]) for key, answers in found.items()}
        return {key: [answer for _, answer in answers] for key, answers in ordered.items() if key not in errors}


def asker(model: Model) -> Asker:
    """The model's own way of asking, or the instruction."""
    return model if isinstance(model, Asker) else Instructed(model)
