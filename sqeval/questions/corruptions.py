"""Ways to spoil questions on purpose, and ways to change them that must not matter.

Each takes the images of one condition, a dose in 0..1 (the share of questions that it touches) and a seed.  What a
metric does under them is what it measures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources

import numpy as np

from sqeval.questions.files import ImageQuestions
from sqeval.questions.premises import Lexicon
from sqeval.questions.relevance import shuffled_owners
from sqeval.questions.words import FUNCTION_WORDS

Images = Sequence[ImageQuestions]
Rewrite = Callable[[str, np.random.Generator], str]
Corruption = Callable[[Images, float, int], list[ImageQuestions]]

GENERIC = (
    "What is in the image?",
    "What is happening in this picture?",
    "How many people are there?",
    "What color is it?",
    "Is it day or night?",
    "Describe the image in detail.",
)
BLIND = (
    "What color is grass usually?",
    "How many wheels does a bicycle have?",
    "Do fish live in water?",
    "What do people wear on their feet?",
    "Is ice cold?",
    "How many legs does a horse have?",
    "What do cows eat?",
    "Can birds fly?",
)
"""Answers need no image."""


def shuffle_images(images: Images, dose: float = 1.0, seed: int = 0) -> list[ImageQuestions]:
    """Every question goes to another image, at a dose below 1 for that share of the images."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(images))[: round(dose * len(images))])
    if len(chosen) < 2:
        return list(images)
    others = shuffled_owners(range(len(chosen)), len(chosen), seed)
    moved = {int(chosen[i]): images[chosen[j]].questions for i, j in enumerate(others)}
    return [replace(image, questions=moved.get(i, image.questions)) for i, image in enumerate(images)]


def hard_shuffle(images: Images, dose: float = 1.0, seed: int = 0) -> list[ImageQuestions]:
    """Every question goes to an image of like content: the next one in the order of annotated objects."""
    known = [i for i, image in enumerate(images) if image.context.objects]
    order = sorted(known, key=lambda i: (sorted(images[i].context.objects or ()), i))
    order = order[: round(dose * len(order))]
    if len(order) < 2:
        return list(images)
    moved = {order[k]: images[order[k - 1]].questions for k in range(len(order))}
    return [replace(image, questions=moved.get(i, image.questions)) for i, image in enumerate(images)]


def duplicate(images: Images, dose: float = 1.0, seed: int = 0) -> list[ImageQuestions]:
    """A share of each image's questions becomes its first one."""
    rng = np.random.default_rng(seed)

    def repeated(image: ImageQuestions) -> ImageQuestions:
        texts = [image.questions[0].text if rng.random() < dose else asked.text for asked in image.questions]
        return _with_texts(image, texts) if image.questions else image

    return [repeated(image) for image in images]


def object_swap(images: Images, dose: float = 1.0, seed: int = 0) -> list[ImageQuestions]:
    """The first object that a question names becomes one that its image does not hold."""
    lexicon = Lexicon(label for image in images for label in image.context.objects or ())
    pool = sorted({lexicon.category(label) for image in images for label in image.context.objects or ()})
    rng = np.random.default_rng(seed)

    def swapped(image: ImageQuestions) -> ImageQuestions:
        absent = [name for name in pool if name not in lexicon.present(image.context)]
        texts = []
        for asked in image.questions:
            named = lexicon.mentions(asked.text)
            text = asked.text
            if absent and named and rng.random() < dose:
                other = absent[rng.integers(len(absent))]
                text = re.sub(rf"\b{re.escape(named[0].word)}(?:'s)?\b", other, text, count=1, flags=re.IGNORECASE)
            texts.append(text)
        return _with_texts(image, texts)

    return [swapped(image) for image in images]


def rewriting(rewrite: Rewrite) -> Corruption:
    """A corruption that changes one text at a time."""

    def corrupt(images: Images, dose: float = 1.0, seed: int = 0) -> list[ImageQuestions]:
        rng = np.random.default_rng(seed)
        return [
            _with_texts(image, [rewrite(a.text, rng) if rng.random() < dose else a.text for a in image.questions])
            for image in images
        ]

    return corrupt


def _with_texts(image: ImageQuestions, texts: Sequence[str]) -> ImageQuestions:
    changed = zip(image.questions, texts, strict=True)
    return replace(image, questions=tuple(replace(asked, text=text) for asked, text in changed))


def _word_shuffle(text: str, rng: np.random.Generator) -> str:
    words = text.rstrip("?").split()
    return " ".join(words[i] for i in rng.permutation(len(words))) + "?"


def _swap_pair(text: str, rng: np.random.Generator) -> str:
    words = text.rstrip("?").split()
    if len(words) > 1:
        at = int(rng.integers(len(words) - 1))
        words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words) + "?"


def _drop_function(text: str, rng: np.random.Generator) -> str:
    kept = [word for word in text.rstrip("?").split() if word.lower() not in FUNCTION_WORDS]
    return " ".join(kept) + "?"


def _truncate(text: str, rng: np.random.Generator) -> str:
    words = text.rstrip("?").split()
    return " ".join(words[: max(1, len(words) // 2)]) + "?"


def _stutter(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    at = int(rng.integers(len(words))) if words else 0
    return " ".join([*words[: at + 1], *words[at : at + 1], *words[at:]])


def _template(text: str, rng: np.random.Generator) -> str:
    words = [word.strip("?.,") for word in text.split()]
    content = [word for word in words if word.lower() not in FUNCTION_WORDS] or words or ["thing"]
    return f"What color is the {content[-1]}?"


def _contraction(text: str, rng: np.random.Generator) -> str:
    return re.sub(r"\b(What|Where|Who) is\b", r"\1's", text)


@cache
def _trivia() -> list[str]:
    text = resources.files("sqeval.questions").joinpath("trivia.txt").read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line]


def _one_of(texts: Callable[[], Sequence[str]]) -> Rewrite:
    return lambda text, rng: texts()[int(rng.integers(len(texts())))]


def _reorder(images: Images, dose: float = 1.0, seed: int = 0) -> list[ImageQuestions]:
    return [images[i] for i in np.random.default_rng(seed).permutation(len(images))]


def _half(images: Images, dose: float = 1.0, seed: int = 0) -> list[ImageQuestions]:
    order = np.random.default_rng(seed).permutation(len(images))
    return [images[i] for i in sorted(order[: max(1, len(images) // 2)])]


CORRUPTIONS: dict[str, Corruption] = {
    "shuffle_images": shuffle_images,
    "hard_shuffle": hard_shuffle,
    "generic": rewriting(_one_of(lambda: GENERIC)),
    "template": rewriting(_template),
    "word_shuffle": rewriting(_word_shuffle),
    "swap_pair": rewriting(_swap_pair),
    "drop_function": rewriting(_drop_function),
    "truncate": rewriting(_truncate),
    "stutter": rewriting(_stutter),
    "trivia": rewriting(_one_of(_trivia)),
    "duplicate": duplicate,
    "object_swap": object_swap,
    "blind_answerable": rewriting(_one_of(lambda: BLIND)),
}
"""What each does to a question or to all of them."""

INVARIANCES: dict[str, Corruption] = {
    "lowercase": rewriting(lambda text, rng: text.lower()),
    "format_suffix": rewriting(lambda text, rng: f"{text}\nAnswer the question using a single word or phrase."),
    "politeness": rewriting(lambda text, rng: f"Can you tell me {text[:1].lower()}{text[1:]}"),
    "reorder_images": _reorder,
    "subsample_half": _half,
}
"""What no metric of quality may react to."""
