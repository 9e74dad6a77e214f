"""How lmms-eval reads and compares short answers.

Source: lmms-eval 0.7.3 (EvolvingLMMs-Lab/lmms-eval), the utils.py of its tasks vqav2, scienceqa and pope, and its
metric exact_match.  Not official: it explains differences from tables that were made with it.
"""

from __future__ import annotations

import re
import statistics
import string
from collections.abc import Sequence
from functools import lru_cache
from typing import overload

import numpy as np
from numpy.typing import NDArray

from sqeval.scoring import vqa, yesno

Floats = NDArray[np.float64]

POPE_COUNTS = (*yesno.COUNTS, "unread_yes", "unread_no")
"""Columns of counts: the four cells, then answers that are neither yes nor no, by their label."""

THOUGHTS = (("<think>", "</think>"), ("<analysis>", "</analysis>"))
"""Tags that its command line takes out of every response, unless it is told otherwise."""
_COMMAS_IN_NUMBER = re.compile(r"(?<=\d),+(?=\d)")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@overload
def said(response: str) -> str: ...
@overload
def said(response: None) -> None: ...
def said(response: str | None) -> str | None:
    """What is left of a response before any task looks at it: no thoughts between tags, no space at its ends.

    A closing tag without its opening one ends thoughts that the prompt began.
    """
    if response is None:
        return None
    for begin, end in THOUGHTS:
        while (start := response.find(begin)) >= 0 and (stop := response.find(end, start)) >= 0:
            response = response[:start] + response[stop + len(end) :]
        if begin not in response:
            response = response.rpartition(end)[2]
    return response.strip()


@lru_cache(maxsize=1 << 18)
def vqa_normalize(text: str) -> str:
    """What happens to every answer and every prediction of VQAv2, also where all ten people agree.

    As the evaluator does it, but for one of its patterns: several commas between two digits are a comma in a number
    here, and make all marks disappear.
    """
    text = vqa.strip(text)
    return vqa.map_words(vqa.remove_punctuation(text, _COMMAS_IN_NUMBER))


def vqa_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """Accuracy of one prediction in 0..1: both sides normalised, annotators left out by position."""
    text = vqa_normalize(prediction)
    return agreement(tuple([vqa_normalize(answer) == text for answer in answers]))


def soft_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """The same with M4C's processing of both sides, as for VizWiz and TextVQA; 0..1."""
    text = vqa.submitted(prediction)
    return agreement(tuple([vqa.submitted(answer) == text for answer in answers]))


@lru_cache(maxsize=1 << 12)
def agreement(matches: tuple[bool, ...]) -> float:
    """Mean over annotators of min(1, agreeing others / 3), correctly rounded, as `statistics.mean` gives it."""
    agreeing = sum(matches)
    return statistics.mean([min(1.0, (agreeing - match) / 3) for match in matches])


def exact(text: str) -> str:
    """What `exact_match` compares: lower case, without any ASCII punctuation; spaces stay."""
    return text.lower().translate(_NO_PUNCTUATION)


def scienceqa_letter(response: str) -> str | None:
    """The letter in upper case, if the stripped response is one, or begins with a capital one and a period."""
    text = response.strip()
    if len(text) == 1 and text.isalpha():
        return text.upper()
    return text[0] if text[:1].isupper() and text[1:2] == "." else None


def pope_answer(response: str) -> str | None:
    """``"yes"`` or ``"no"`` if the response is that word and nothing else, case and outer spaces aside."""
    text = response.lower().strip()
    return text if text in ("yes", "no") else None


def pope_outcome(answer: str | None, label: str) -> str:
    """Name of the count that a response adds to: one that is neither yes nor no is in no cell."""
    return f"unread_{label}" if answer is None else yesno.outcome(answer, label)


def true_yes_ratio(counts: Floats) -> Floats:
    """What is reported as the ratio of yes answers: that of the *labels*. (..., 6) to (...)."""
    yes, total = counts[..., 0] + counts[..., 3] + counts[..., 4], counts.sum(axis=-1)
    return np.asarray(np.divide(yes, total, out=np.zeros(np.shape(total)), where=np.asarray(total) != 0))
