"""Self-questioning at inference: the model looks at an image, asks about it, and answers its own questions.

Both protocols are those of the release, with the template that goes with the checkpoint's own and has a virtual user
(``v1_sq`` for ``v1``): "describe" lets the model caption the image first and asks after that; "none" asks with nothing
but the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from PIL import Image

from sqllava.conversation import TEMPLATES, Turn
from sqllava.engine import Completion, Engine, Group, Request
from sqllava.errors import SqLlavaError
from sqllava.inference.requests import GREEDY
from sqllava.inference.sampling import Sampling

Preface = Literal["describe", "none"]

DESCRIBE = "Can you describe the image in detail?"
CAPTION_TOKENS = 300
ANSWER_TOKENS = 128


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question that the model asked, its own answer, and the question's log-probability.

    `logprob` sums the question tokens' natural-log probabilities, the end token included, under the model before
    temperature and truncation.
    """

    question: str
    answer: str
    logprob: float


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
    if preface not in PROTOCOLS:
        raise SqLlavaError(f"unknown preface {preface!r}; there are: {', '.join(PROTOCOLS)}")
    protocol = PROTOCOLS[preface]
    wanted = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    given = {name: value for name, value in wanted.items() if value is not None}
    try:
        sampling = replace(protocol.sampling, seed=seed, **given)  # type: ignore[arg-type]
    except ValueError as error:
        raise SqLlavaError(str(error)) from None
    template = TEMPLATES[TEMPLATES[model.config.conversation_template].asking]
    engine = Engine(model, processor, template=template.name)
    features = engine.encode([image])[0] if engine.sees_images else None

    def say(texts: Sequence[str], limit: int, sampling: Sampling = GREEDY, samples: int = 1) -> list[Completion]:
        requests = tuple(Request(str(i), text, limit, sampling, samples) for i, text in enumerate(texts))
        answers = list(engine.generate([Group(requests, features=features)]))
        for answer in answers:
            if answer.error:
                raise SqLlavaError(answer.error)
        return sorted(answers, key=lambda answer: (int(answer.id), answer.sample))

    seen = features is not None
    turns: list[Turn] = []
    if preface == "describe":
        turns = [Turn("user", DESCRIBE)]
        turns.append(Turn("assistant", say([template.prompt(turns, image=seen)], CAPTION_TOKENS)[0].text))
    questions = say([template.prompt_question(turns, image=seen)], protocol.max_new_tokens, sampling, n)
    asked = [template.prompt([*turns, Turn("vuser", question.text)], image=seen) for question in questions]
    answers = say(asked, ANSWER_TOKENS)
    return [
        AskedQuestion(question.text, answer.text, question.logprob or 0.0)
        for question, answer in zip(questions, answers, strict=True)
    ]
