"""Two runs' metrics on the units that both have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sqeval.stats.clusters import cluster_codes
from sqeval.stats.labels import Labels
from sqeval.stats.metric import Floats, Metric
from sqeval.stats.repeats import averaged


@dataclass(frozen=True, slots=True)
class Pairs:
    """The same metric of two runs, row by row about the same units."""

    metric: Metric
    """That of the baseline, for names and for what sums come to; its units are all that were paired."""
    before: Floats
    """Columns of the baseline, (n, k)."""
    after: Floats
    codes: NDArray[np.intp]
    """Number of each unit's cluster, 0..C-1, (n,)."""
    clusters: int

    def part(self, rows: NDArray[np.intp]) -> Pairs:
        """Some of the pairs, with their clusters numbered anew."""
        names, codes = np.unique(self.codes[rows], return_inverse=True)
        return Pairs(self.metric, self.before[rows], self.after[rows], codes.reshape(-1), len(names))


def pairs(base: Metric, candidate: Metric) -> Pairs:
    """The units that both metrics have, in the order of `base`; repeated ids are averaged first.

    Raises ValueError if the metrics have different columns, or a unit is in another cluster in the other run.
    """
    if base.columns.shape[1] != candidate.columns.shape[1]:
        raise ValueError(f"metric {base.name}: the two runs have different columns")
    base, candidate = averaged(base), averaged(candidate)
    if list(base.ids) != list(candidate.ids):
        there = {unit: row for row, unit in enumerate(candidate.ids)}
        base = _rows(base, [row for row, unit in enumerate(base.ids) if unit in there])
        candidate = _rows(candidate, [there[unit] for unit in base.ids])
    if list(base.clusters) != list(candidate.clusters):
        raise ValueError(f"metric {base.name}: units belong to different clusters in the two runs")
    return Pairs(base, base.columns, candidate.columns, *cluster_codes(base.clusters))


def _rows(metric: Metric, rows: Sequence[int]) -> Metric:
    chosen = np.asarray(rows, dtype=np.intp)
    ids, clusters = (Labels.of(labels).take(chosen) for labels in (metric.ids, metric.clusters))
    return replace(metric, ids=ids, clusters=clusters, columns=metric.columns[chosen])
