"""Yes/no questions: POPE's answer parser and its measures.

Source: POPE's official `evaluate.py` (RUCAIBox/POPE), and LLaVA's `eval_pope.py`, which scores the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

COUNTS = ("tp", "fp", "tn", "fn")
"""Columns of counts that the measures below take, in this order; "yes" is the positive class."""


def parse(response: str) -> str:
    """``"yes"`` or ``"no"``: the official rule, under which everything that is not recognisably a no is a yes.

    Only the text before the first full stop counts, commas are dropped, and the answer is "no" exactly if one of
    the words, split at single spaces, is ``No``, ``not`` or ``no``.
    """
    words = response.split(".")[0].replace(",", "").split(" ")
    return "no" if {"No", "not", "no"} & set(words) else "yes"


def outcome(answer: str | None, label: str) -> str:
    """Name of the count that an answer adds to; no answer (None) is counted against the label."""
    if label == "yes":
        return "tp" if answer == "yes" else "fn"
    return "tn" if answer == "no" else "fp"


def accuracy(counts: Floats) -> Floats:
    """Share of right answers. `counts` is (..., 4) in the order of `COUNTS`, the result (...)."""
    return _ratio(counts[..., 0] + counts[..., 2], counts.sum(axis=-1))


def precision(counts: Floats) -> Floats:
    """Share of right answers among the yes answers; 0 where nobody said yes. (..., 4) to (...)."""
    return _ratio(counts[..., 0], counts[..., 0] + counts[..., 1])


def recall(counts: Floats) -> Floats:
    """Share of the yes questions answered yes; 0 where there are none. (..., 4) to (...)."""
    return _ratio(counts[..., 0], counts[..., 0] + counts[..., 3])


def f1(counts: Floats) -> Floats:
    """Harmonic mean of precision and recall, computed from the two as the official code does. (..., 4) to (...)."""
    p, r = precision(counts), recall(counts)
    return _ratio(2 * p * r, p + r)


def yes_ratio(counts: Floats) -> Floats:
    """Share of yes answers. (..., 4) to (...)."""
    return _ratio(counts[..., 0] + counts[..., 1], counts.sum(axis=-1))


def mean_f1(counts: Floats) -> Floats:
    """Unweighted mean of the F1 of several categories: (..., 4 * categories), a block a category, to (...).

    What tables of LLaVA and its descendants call POPE: random, popular and adversarial weigh the same although the
    first data version has fewer random questions.
    """
    blocks = counts.reshape(*counts.shape[:-1], -1, len(COUNTS))
    total = np.zeros(blocks.shape[:-2])
    for i in range(blocks.shape[-2]):
        total = total + f1(blocks[..., i, :])
    return np.asarray(total / blocks.shape[-2])


def in_block(columns: Sequence[Sequence[float]] | Floats, block: Sequence[int], blocks: int) -> Floats:
    """Move the four counts of row i into block ``block[i]`` of `blocks`: (n, 4) to (n, 4 * blocks)."""
    rows = np.asarray(columns, dtype=np.float64).reshape(-1, len(COUNTS))
    wide = np.zeros((len(rows), blocks, len(COUNTS)))
    wide[np.arange(len(rows)), np.asarray(block, dtype=np.intp)] = rows
    return wide.reshape(len(rows), -1)


def _ratio(above: Floats, below: Floats) -> Floats:
    """above / below, 0.0 where below is 0 (the official script divides by zero there)."""
    return np.divide(above, below, out=np.zeros(np.shape(below)), where=np.asarray(below) != 0)
