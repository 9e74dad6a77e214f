"""Group A: can the question be answered, and does the answer need the image?

Plug-in divergences of a few answers are biased: two identical four-way distributions are .29 bit apart at five samples.
The match kernel has unbiased U-statistics, whose mean is zero if the image changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from sqeval.questions.answers import Answer, normal_answer

LEAST_ANSWERABLE = 2 / 3
"""Share of the panel's answers that must not be abstentions."""


@dataclass(frozen=True, slots=True)
class Answerability:
    """Of one question; None for what its answers do not tell."""

    answerable: float | None = None
    consistent: float | None = None
    """A_img."""
    visual: float | None = None
    gain: float | None = None
    roundtrip: float | None = None
    knowledge: float | None = None
    """Share of answerers that give the panel's answer with the image and another one without (after KDA, 2022)."""
    difficulty: float | None = None
    """Share of the panel's answers with the image that are not its most frequent one."""
    guessed: bool | None = None
    """Whether most answers without the image say what most answers with it say."""


def agreement(answers: Sequence[str]) -> float | None:
    """Share of pairs that agree, unbiased: sum of n_c (n_c - 1) over K (K - 1); None of fewer than two."""
    k = len(answers)
    if k < 2:
        return None
    return sum(n * (n - 1) for n in Counter(answers).values()) / (k * (k - 1))


def cross_agreement(left: Sequence[str], right: Sequence[str]) -> float | None:
    """Share of pairs, one of each side, that agree; None if a side is empty."""
    if not left or not right:
        return None
    there = Counter(right)
    return sum(there[answer] for answer in left) / (len(left) * len(right))


def visual_dependence(seen: Sequence[str], blind: Sequence[str]) -> float | None:
    """(A_img + A_blind - 2 A_cross) / 2, in -1..1, 0 on average if both are drawn from one distribution.

    With one answer a side, 1 - match. None if a side is empty.
    """
    across = cross_agreement(seen, blind)
    if across is None:
        return None
    own, other = agreement(seen), agreement(blind)
    if own is None or other is None:
        return 1 - across
    return (own + other - 2 * across) / 2


def gini_gain(by_image: Sequence[Sequence[str]]) -> float | None:
    """Agreement within images less agreement between them; 0 on average if the image does not matter.

    With one answer an image there is nothing within, and a greedy answer agrees with itself: 1 is taken. None of fewer
    than two images.
    """
    if len(by_image) < 2:
        return None
    within = [1.0 if (found := agreement(answers)) is None else found for answers in by_image]
    pairs = [(a, b) for i, a in enumerate(by_image) for b in by_image[i + 1 :]]
    between = [found for a, b in pairs if (found := cross_agreement(a, b)) is not None]
    return fmean(within) - fmean(between) if between else None


def answerability(answers: Sequence[Answer], own_answer: str | None = None) -> Answerability:
    """All measures of one question: each is taken for each answerer by itself, then averaged over answerers.

    own_answer: the asker's, for the round trip.
    """
    panel = sorted({answer.answerer for answer in answers})
    by_answerer = [_of_one([a for a in answers if a.answerer == name], own_answer) for name in panel]

    def mean(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return fmean(known) if known else None

    knowledge, difficulty = _against_the_panel(answers)
    guesses = [each.guessed for each in by_answerer if each.guessed is not None]
    return Answerability(
        mean([each.answerable for each in by_answerer]),
        mean([each.consistent for each in by_answerer]),
        mean([each.visual for each in by_answerer]),
        mean([each.gain for each in by_answerer]),
        mean([each.roundtrip for each in by_answerer]),
        knowledge,
        difficulty,
        sum(guesses) * 2 > len(guesses) if guesses else None,
    )


def _of_one(answers: Sequence[Answer], own_answer: str | None) -> Answerability:
    seen = [answer for answer in answers if answer.condition == "img"]
    said = [normal_answer(answer.text) for answer in seen]
    blind = [normal_answer(answer.text) for answer in answers if answer.condition == "blind"]
    elsewhere: dict[str | None, list[str]] = {}
    for answer in answers:
        if answer.condition == "cf":
            elsewhere.setdefault(answer.other, []).append(normal_answer(answer.text))
    return Answerability(
        answerable=fmean(not answer.abstains for answer in seen) if seen else None,
        consistent=agreement(said),
        visual=visual_dependence(said, blind),
        gain=gini_gain([said, *elsewhere.values()]) if said and elsewhere else None,
        roundtrip=fmean(text == normal_answer(own_answer) for text in said) if said and own_answer else None,
        guessed=_most(said) == _most(blind) if said and blind else None,
    )


def _against_the_panel(answers: Sequence[Answer]) -> tuple[float | None, float | None]:
    """Knowledge and difficulty; None without answers with the image, the first also without blind ones."""
    said = [normal_answer(answer.text) for answer in answers if answer.condition == "img"]
    if not said:
        return None, None
    panel = _most(said)
    hits = []
    for name in {answer.answerer for answer in answers}:
        own = {
            c: [normal_answer(a.text) for a in answers if (a.answerer, a.condition) == (name, c)]
            for c in ("img", "blind")
        }
        if own["img"] and own["blind"]:
            hits.append(_most(own["img"]) == panel != _most(own["blind"]))
    return fmean(hits) if hits else None, fmean(answer != panel for answer in said)


def _most(answers: Sequence[str]) -> str:
    counts = Counter(answers)
    return min(counts, key=lambda answer: (-counts[answer], answer))
