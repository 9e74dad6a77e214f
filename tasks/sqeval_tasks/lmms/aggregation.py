"""From lmms-eval's values for single answers to metrics with error bars."""

from __future__ import annotations

import inspect
import math
import tempfile
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqeval.records import Record
from sqeval.stats.jackknife import linearised
from sqeval.stats.metric import Metric, mean
from sqeval_tasks.lmms.library import unchanged

POINTS = frozenset({"mme_perception_score", "mme_cognition_score"})
"""Metrics in points, which are divided by 100 in files: tables, which show percent, then show points."""


def numeric(value: Any, score_key: str) -> float | None:
    """The number in what `process_results` gives for one answer: itself, or its entry `score_key`; finite."""
    if isinstance(value, Mapping):
        value = value.get(score_key)
    return float(value) if isinstance(value, Real) and math.isfinite(float(value)) else None


def metric(
    name: str, records: Sequence[Record], items: Sequence[Any], aggregation: Callable[..., Any], score_key: str
) -> tuple[Metric, str | None]:
    """The metric over the records that `items` belong to, and what is wrong with it: no value, or no error bar.

    A mean has the closed form, whatever else the jackknife. An aggregation that takes the command line's arguments may
    write files or start programs: it is called once.
    """
    ids, clusters = [record.id for record in records], [record.cluster for record in records]
    scale = 0.01 if name in POINTS else 1.0

    def value(rows: Sequence[int] | NDArray[np.intp]) -> float:
        return scale * _called(aggregation, [items[row] for row in rows])

    try:
        with unchanged():
            whole = value(range(len(items)))
    except Exception as error:  # a task's own code fails as it likes, and wants what it likes
        return mean(name, [], [], []), f"its aggregation failed: {type(error).__name__}: {error}"
    bare = replace(mean(name, ids, [""] * len(ids), [whole] * len(ids)), per_unit=False)
    if _takes_arguments(aggregation):
        return bare, "no error bar: its aggregation may write files, so that it is not repeated"
    try:
        with unchanged():
            found = linearised(name, ids, clusters, value)
    except Exception as error:  # on a part of the data it may
        return bare, f"no error bar: its aggregation fails on a part of the data: {type(error).__name__}: {error}"
    return _as_mean(found, [numeric(item, score_key) for item in items], clusters, scale), None


def _as_mean(found: Metric, scores: Sequence[float | None], clusters: Sequence[str], scale: float) -> Metric:
    """The mean of the scores, if that is what the aggregation gave, whichever images were left out; else `found`."""
    if None in scores:
        return found
    own = scale * np.asarray(scores, dtype=np.float64)
    usual = linearised(found.name, found.ids, clusters, lambda rows: float(own[rows].mean()))
    if not np.allclose(found.columns, usual.columns, rtol=1e-9, atol=1e-9):
        return found
    return mean(found.name, found.ids, clusters, own)


def _takes_arguments(aggregation: Callable[..., Any]) -> bool:
    return "args" in inspect.signature(aggregation).parameters


def _called(aggregation: Callable[..., Any], items: list[Any]) -> float:
    """Raises TypeError if what comes out is not a finite number. Files that it writes are dropped."""
    if _takes_arguments(aggregation):
        with tempfile.TemporaryDirectory() as folder:
            found = aggregation(items, args=Namespace(output_path=folder))
    else:
        found = aggregation(items)
    number = numeric(found, "")
    if number is None:
        raise TypeError(f"it gave {found!r}, which is no number")
    return number
