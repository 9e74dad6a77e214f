"""Repeated answers to one question: averaged first, because the questions are what was sampled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sqeval.stats.labels import Labels
from sqeval.stats.metric import Floats, Metric


def averaged(metric: Metric) -> Metric:
    """One row a unit: a unit that occurs K times has the mean of its K rows (Miller 2024, arXiv 2411.00640, section 3).

    Units stand in the order of their first occurrence. Taking the K answers for K units would make the error bar
    about sqrt(K) times too small. Raises ValueError if a unit's repeats are in different clusters.
    """
    if Labels.of(metric.ids).distinct:
        return metric
    first = _numbers(metric)
    codes, counts = _codes(metric, first)
    columns = np.stack([np.bincount(codes, weights=column) for column in metric.columns.T], axis=-1) / counts[:, None]
    where = dict(zip(metric.ids, metric.clusters, strict=True))
    if any(where[unit] != cluster for unit, cluster in zip(metric.ids, metric.clusters, strict=True)):
        raise ValueError(f"metric {metric.name}: repeated answers to one question are in different clusters")
    return replace(metric, ids=list(first), clusters=[where[unit] for unit in first], columns=columns)


def answer_variance(metric: Metric) -> float | None:
    """Mean variance of the answers to one question, E[sigma_i^2] of Miller 2024, eq. 4; None without any repeat.

    For a mean, from units that occur at least twice. K answers a question give a variance of the mean of
    (Var(x) + E[sigma_i^2] / K) / n.
    """
    first = _numbers(metric)
    codes, counts = _codes(metric, first)
    if metric.function is not None or not len(counts) or counts.max() < 2:
        return None
    values: Floats = metric.columns[:, 0]
    centers = np.bincount(codes, weights=values) / counts
    squares = np.bincount(codes, weights=(values - centers[codes]) ** 2)
    often = counts > 1
    return float((squares[often] / (counts[often] - 1)).mean())


def _numbers(metric: Metric) -> dict[str, int]:
    """Number of each unit, by first occurrence."""
    return {unit: number for number, unit in enumerate(dict.fromkeys(metric.ids))}


def _codes(metric: Metric, first: dict[str, int]) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], Floats]:
    """Number of the unit of each row, (rows,), and how often each unit occurs, (n,)."""
    codes = np.fromiter(map(first.__getitem__, metric.ids), np.intp, len(metric.ids))
    return codes, np.bincount(codes, minlength=len(first)).astype(np.float64)
