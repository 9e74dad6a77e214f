"""VQA accuracy, to the last digit.

Source: the official evaluator of VQA 2.0 (GT-Vision-Lab/VQA, `vqaEval.py` as of March 2021, the one behind the
evaluation server). Before 2021 predictions were normalised always; many harnesses still do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from sqeval.scoring.vqa_tables import ARTICLES, CONTRACTIONS, NUMBERS, PUNCTUATION

_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
_MAX_PERIODS = 32  # the official code passes the flag re.UNICODE, which is 32, where a count is expected
_CACHE = 1 << 18


def strip(text: str) -> str:
    """What happens to every answer and prediction: newlines and tabs become spaces, the ends are stripped."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def remove_punctuation(text: str, comma_in_number: re.Pattern[str] = _COMMA_IN_NUMBER) -> str:
    """The evaluator's punctuation pass (P).

    A mark is deleted if it touches a space anywhere in the *original* text, or if any number there has a comma
    between digits; otherwise it becomes a space. Then at most 32 periods that no digit follows are deleted.
    """
    out = text
    deletes_all = comma_in_number.search(text) is not None
    for mark in PUNCTUATION:
        if mark in text:
            delete = deletes_all or f"{mark} " in text or f" {mark}" in text
            out = out.replace(mark, "" if delete else " ")
    return _PERIOD.sub("", out, count=_MAX_PERIODS)


def map_words(text: str, contractions: Mapping[str, str] = CONTRACTIONS) -> str:
    """The evaluator's word pass (D): lower case, number words to digits, no articles, apostrophes restored."""
    words = (NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(contractions.get(word, word) for word in words if word not in ARTICLES)


@lru_cache(maxsize=_CACHE)
def normalize(text: str) -> str:
    """P, then D, on a stripped text. Not idempotent: of forty periods, 32 go at a time."""
    return map_words(remove_punctuation(text))


@lru_cache(maxsize=_CACHE)
def submitted(response: str) -> str:
    """The answer that is submitted for a model's response: the published numbers are of answers that went through
    this, which the evaluator itself does not do where all annotators agree.

    Lower case, no commas or question marks, a space before ``'s``, then P and D. Not idempotent where a later step
    writes an ``'s``: ``whats`` becomes ``what's``, and that ``what 's``. Source: the EvalAI answer processor of M4C
    (facebookresearch/mmf), which LLaVA's converter for VQAv2 applies.
    """
    text = response.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    return normalize(strip(text))


def agreeing(prediction: str, answers: Sequence[str]) -> list[bool]:
    """Which annotators gave the answer that is predicted.

    Both are normalised only if the stripped answers differ: against ten times ``yes``, ``Yes`` is wrong.
    """
    forms = [*map(_FORMS.__getitem__, answers)]
    stripped, normalized = _FORMS[prediction]
    if forms.count(forms[0]) < len(forms):  # what is stripped the same is normalised the same
        return [normalized == other for _, other in forms]
    return [stripped == other for other, _ in forms]


class _Forms(dict[str, tuple[str, str]]):
    """Text -> stripped, and normalised after that; remembered, because there are few answers and many who give them."""

    def __missing__(self, text: str) -> tuple[str, str]:
        if len(self) >= _CACHE:
            self.clear()
        stripped = strip(text)
        self[text] = forms = stripped, normalize(stripped)
        return forms


_FORMS = _Forms()


def accuracy(prediction: str, answers: Sequence[str]) -> float:
    """Accuracy of one prediction in 0..1, as the evaluator gives it for a result file that holds `prediction`.

    It is the mean over annotators of min(1, agreeing *other* annotators / 3). `answers` holds an answer an
    annotator, at least one. The official code leaves an annotator out by comparing whole records, which differ in
    `answer_id` at the least, so leaving out by position is the same; readers make sure of the ids.
    """
    return agreement(tuple(agreeing(prediction, answers)))


@lru_cache(maxsize=1 << 12)
def agreement(matches: tuple[bool, ...]) -> float:
    """Accuracy from who agrees with the prediction.

    Added up from the first annotator to the last in plain floating point, as the official code did under the Python
    of its day: the result depends on *which* annotators agree, and .6 comes out as .6, .5999..., or .6000...1.
    """
    matching = sum(matches)
    total = 0.0
    for match in matches:
        total += min(1.0, (matching - match) / 3)
    return total / len(matches)


def submitted_accuracy(response: str, answers: Sequence[str]) -> float:
    """TextVQA's accuracy in 0..1: both sides are always processed as `submitted` does it, and annotators are left out
    by position.

    Source: the TextVQA accuracy evaluator of M4C (facebookresearch/mmf), which LLaVA uses; the server scores the same
    way.
    """
    text = submitted(response)
    return agreement(tuple([submitted(answer) == text for answer in answers]))


def best_answer(answers: Sequence[str]) -> str:
    """The annotators' answer that scores highest as a response: the one that most of them agree with once it is
    `submitted`, the first one among equals."""
    return max(dict.fromkeys(answers), key=lambda answer: sum(agreeing(submitted(answer), answers)))
