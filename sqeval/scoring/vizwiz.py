"""VizWiz: accuracy as its own evaluator has it, and whether the unanswerable is recognised.

Source: the VizWiz VQA API (Gurari et al. 2018), which grew out of the VQA evaluator of before 2016 and differs from
that of today in three ways: predictions are normalised always, annotators' answers never, and the contractions have
typographic apostrophes. Annotators have no ids, so that one is left out by position.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sqeval.scoring import vqa
from sqeval.scoring.vqa_tables import CONTRACTIONS

Floats = NDArray[np.float64]

UNANSWERABLE = "unanswerable"
COUNTS = ("tp", "fp", "fn", "tn")
"""Columns of counts that the measures below take, in this order; unanswerable is the positive class."""

_STRAIGHT_KEYS = frozenset({"couldn'tve", "hadn'tve"})
_STRAIGHT_VALUES = frozenset({"aint", "arent", "cant", "couldve", "couldnt", "weve", "wheres", "whove"})
TYPOGRAPHIC = {
    (key if key in _STRAIGHT_KEYS else key.replace("'", "’")): (
        value if key in _STRAIGHT_VALUES else value.replace("'", "’")
    )
    for key, value in CONTRACTIONS.items()
}
"""The contractions of this evaluator: ten kept a straight apostrophe on one side."""


def normalize(text: str) -> str:
    """What happens to every prediction."""
    return vqa.map_words(vqa.remove_punctuation(vqa.strip(text)), TYPOGRAPHIC)


def accuracy(prediction: str, answers: Sequence[str]) -> float:
    """Accuracy of one prediction in 0..1: the mean over annotators of min(1, agreeing *other* annotators / 3)."""
    text = normalize(prediction)
    return vqa.agreement(tuple([answer == text for answer in answers]))


def declines(answer: str) -> bool:
    """Whether it says that the question cannot be answered."""
    return normalize(answer) == UNANSWERABLE


def outcome(answer: str | None, answerable: bool) -> str:
    """Name of the count that an answer adds to. Saying "unanswerable" is the prediction that it is; no answer is
    counted against the truth."""
    if answer is None:
        return "fp" if answerable else "fn"
    says_not = declines(answer)
    return ("fp" if says_not else "tn") if answerable else ("tp" if says_not else "fn")


def precision(counts: Floats) -> Floats:
    """Share of the truly unanswerable among what is called so; 0 where nothing is. (..., 4) to (...)."""
    return _ratio(counts[..., 0], counts[..., 0] + counts[..., 1])


def recall(counts: Floats) -> Floats:
    """Share of the unanswerable that is called so; 0 where there is none. (..., 4) to (...)."""
    return _ratio(counts[..., 0], counts[..., 0] + counts[..., 2])


def f1(counts: Floats) -> Floats:
    """Harmonic mean of precision and recall. (..., 4) to (...)."""
    return _ratio(2 * counts[..., 0], 2 * counts[..., 0] + counts[..., 1] + counts[..., 2])


def average_precision(counts: Floats) -> Floats:
    """The evaluator's average precision (scikit-learn's), for answers that only say yes or no. (..., 4) to (...).

    There are two thresholds then: what is called unanswerable, with its precision up to its recall, and everything,
    whose precision is the share of the unanswerable.
    """
    found = recall(counts)
    share = _ratio(counts[..., 0] + counts[..., 2], counts.sum(axis=-1))
    return np.asarray(found * precision(counts) + np.where(share > 0, 1 - found, 0.0) * share)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros(np.shape(below)), where=np.asarray(below) != 0)
