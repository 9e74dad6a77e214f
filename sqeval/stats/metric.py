"""What a metric is, for the statistics: a function of column sums over samples.

Accuracy is a mean; F1 is a ratio of sums of true and false positives; corpus BLEU is a function of summed n-gram
counts; POPE's mean of three F1s is a function of nine sums.  Stated this way one piece of code gives every metric its
estimate, its clustered interval and its paired difference, vectorised over bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metric:
    """A named metric over n units (samples, or groups of samples such as MMBench's rotations).

    `columns` is (n, k); `clusters` has n entries. `function` maps sums over units, (..., k), to values, (...); None
    stands for the mean of the only column (k = 1), whose standard error has a closed form. Values lie in 0..1
    unless the benchmark says otherwise (CIDEr: 0..10).
    """

    name: str
    """``accuracy``, or a breakdown cell ``accuracy/answer_type=yes/no``."""
    ids: Sequence[str]
    """Unit ids, for pairing two runs."""
    clusters: Sequence[str]
    columns: Floats
    function: Callable[[Floats], Floats] | None = None
    higher_is_better: bool = True
    per_unit: bool = True
    """Whether the value of a single unit is its own; False: what it contributes to that of all."""
    scale: int = 100
    """What people print for a value of 1: percent, as a rule."""
    percent_first: bool = False
    """Of a mean: the official evaluator multiplies the sum by 100 before it divides, which may print another digit."""

    def __post_init__(self) -> None:
        if self.columns.ndim != 2 or len(self.ids) != len(self.columns) or len(self.clusters) != len(self.columns):
            raise ValueError(f"metric {self.name}: ids, clusters and columns must have one entry a unit")
        if self.function is None and self.columns.shape[1] != 1:
            raise ValueError(f"metric {self.name}: a mean has exactly one column, got {self.columns.shape[1]}")


def mean(name: str, ids: Sequence[str], clusters: Sequence[str], values: Sequence[float] | Floats) -> Metric:
    """The mean of one value a unit."""
    return Metric(name, ids, clusters, np.asarray(values, dtype=np.float64).reshape(-1, 1))
