"""How well does a cheap metric predict the truth, be it people's or the mini suite's?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MATCHING = {
    "wf.slor": "understandable",
    "wf.complete": "understandable",
    "wf.valid": "understandable",
    "wf.fluent": "understandable",
    "gr.rauc": "about_image",
    "gr.premise_fpr": "about_image",
    "gr.relevant": "about_image",
    "an.answerable": "answerable",
    "an.consistent": "answerable",
    "an.visual": "needs_image",
    "an.gig": "needs_image",
}
"""Which item of the rating sheet a metric claims to predict."""
LEAST_ITEMS = 100
REPLICATES = 1_000


@dataclass(frozen=True, slots=True)
class Agreement:
    """A metric against a binary truth."""

    metric: str
    truth: str
    auc: float | None
    """Probability that a question of which the truth holds scores higher than one of which it does not; None if the
    truth is the same for all."""
    low: float | None
    high: float | None
    n: int
    share: float
    """Of questions of which the truth holds."""

    @property
    def validated(self) -> bool:
        """Whether the metric may be called so on this data: an interval above chance on enough questions."""
        return self.low is not None and self.low > 0.5 and self.n >= LEAST_ITEMS


def auc(scores: Floats, truth: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve, ties half; None if one class is empty."""
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    ranks = middle[inverse]
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def agreement(
    metric: str,
    truth_name: str,
    values: Mapping[str, float],
    truth: Mapping[str, bool],
    image_of: Mapping[str, str],
    *,
    falling: bool = False,
    seed: int = 0,
) -> Agreement:
    """AUC of a metric's values against a truth, by qid, with a percentile interval from resampled images.

    falling: lower values are better.
    """
    qids = [qid for qid in values if qid in truth]
    sign = -1.0 if falling else 1.0
    scores = np.array([sign * values[qid] for qid in qids])
    holds = np.array([truth[qid] for qid in qids], dtype=bool)
    whole = auc(scores, holds) if qids else None
    low, high = (None, None) if whole is None else _interval(scores, holds, [image_of[qid] for qid in qids], seed)
    return Agreement(metric, truth_name, whole, low, high, len(qids), float(holds.mean()) if qids else 0.0)


def _interval(
    scores: Floats, holds: NDArray[np.bool_], images: Sequence[str], seed: int
) -> tuple[float | None, float | None]:
    rng = np.random.default_rng(seed)
    names, codes = np.unique(np.array(images), return_inverse=True)
    members = [np.flatnonzero(codes == i) for i in range(len(names))]
    drawn = []
    for _ in range(REPLICATES):
        rows = np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))])
        value = auc(scores[rows], holds[rows])
        if value is not None:
            drawn.append(value)
    if len(names) < 2 or len(drawn) < REPLICATES / 2:
        return None, None
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def spearman(values: Mapping[str, float], ratings: Mapping[str, float]) -> float | None:
    """Rank correlation with overall ratings; None of fewer than three questions, or of a constant."""
    from scipy.stats import spearmanr

    qids = [qid for qid in values if qid in ratings]
    left, right = [values[qid] for qid in qids], [ratings[qid] for qid in qids]
    if len(qids) < 3 or len(set(left)) < 2 or len(set(right)) < 2:
        return None
    return float(spearmanr(left, right).statistic)
