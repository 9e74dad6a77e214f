"""Group G, relevance: does a question fit its own image better than the others?

Raw similarities of questions and images mean nothing by themselves: they move with length, act and vocabulary. The
share of other images that a question fits less well than its own does not, and its chance level is one half exactly,
for generic questions, for trivia and for questions about shuffled images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sqeval.questions.files import ImageQuestions
from sqeval.questions.words import topic_words

Floats = NDArray[np.float64]

CALIBRATION_SHUFFLES, FLOOR_SHUFFLES = range(1, 6), range(100, 105)
"""Seeds of the shuffles that set the threshold, and of others on which the floor is measured."""
LEAST_IMAGES = 30
"""Fewer images are too few to be told apart from."""
UNDECIDED = 0.02
"""So close to one half a question fits no image more than another."""


class Scorer(Protocol):
    """How well questions fit images, on any scale."""

    name: str
    needs: str
    """What an image must have, in words."""

    def knows(self, image: ImageQuestions) -> bool:
        """Whether the image has it."""
        ...

    def similarities(self, questions: Sequence[str], images: Sequence[ImageQuestions], own: Sequence[int]) -> Floats:
        """(questions, images); `own` is the column of each question's image, -1 for none. NaN: not looked at."""
        ...


@dataclass(frozen=True, slots=True)
class Relevance:
    """Of each question, against the images of the run."""

    auc: Floats
    """(Q,), 0..1; chance is 0.5."""
    margin: Floats
    """(Q,): similarity to the own image less the mean of the others, on the scorer's scale."""


class Captions:
    """Cosine of TF-IDF vectors of stemmed topic words: the question's, and those of all captions and object labels.

    Recall is its limit: people ask about what no caption mentions, and then all images tie.
    """

    name = "captions"
    needs = "captions or labels"

    def knows(self, image: ImageQuestions) -> bool:
        return bool(image.context.captions or image.context.objects)

    def similarities(self, questions: Sequence[str], images: Sequence[ImageQuestions], own: Sequence[int]) -> Floats:
        from sklearn.feature_extraction.text import TfidfVectorizer

        documents = ["\n".join([*image.context.captions, *(image.context.objects or ())]) for image in images]
        try:
            vectorizer = TfidfVectorizer(analyzer=topic_words, sublinear_tf=True).fit([*documents, *questions])
        except ValueError:  # no topic word anywhere
            return np.zeros((len(questions), len(images)))
        product = vectorizer.transform(questions) @ vectorizer.transform(documents).T
        similarities: Floats = product.toarray()
        return similarities


def relevance(similarities: Floats, own: Sequence[int]) -> Relevance:
    """Relevance from similarities (Q, I) and the index of each question's own image.

    auc: share of the other images with a lower similarity, ties counting half; NaN where the own image, or any other,
    was not looked at.
    """
    rows = np.arange(len(own))
    mine = similarities[rows, list(own)][:, None]
    others = (~np.isnan(similarities)).sum(1) - 1
    # Cosines that are equal on paper differ in their last bits: the order of a sum must not decide.
    lower = similarities < mine - 1e-12
    tied = np.abs(similarities - mine) <= 1e-12
    seen = (others > 0) & ~np.isnan(mine[:, 0])
    auc, margin = np.full(len(own), np.nan), np.full(len(own), np.nan)
    np.divide(lower.sum(1) + (tied.sum(1) - 1) / 2, others, out=auc, where=seen)
    np.divide(np.nansum(similarities, axis=1) - mine[:, 0], others, out=margin, where=seen)
    return Relevance(auc, mine[:, 0] - margin)


def shuffled_owners(own: Sequence[int], images: int, seed: int = 0) -> list[int]:
    """Each image's questions given to another image: a random cyclic derangement, so that none stays at home.

    Raises ValueError for a single image.
    """
    if images < 2:
        raise ValueError("one image cannot be shuffled")
    order = np.random.default_rng(seed).permutation(images)
    following = np.empty(images, dtype=np.int64)
    following[order] = np.roll(order, -1)
    return [int(following[i]) for i in own]


def threshold(floor: Floats, pass_rate: float = 0.05) -> float:
    """The smallest threshold that at most `pass_rate` of the `floor` values reach; the lowest ones are tried first.

    Calibrated, not chosen: what questions about the wrong images reach no more often than that is a fit.
    """
    floor = floor[~np.isnan(floor)]
    candidates = np.unique(floor)
    reached = np.array([(floor >= candidate).mean() for candidate in candidates])
    good = candidates[reached <= pass_rate]
    return float(good[0]) if len(good) else float(np.nextafter(candidates[-1], np.inf))
