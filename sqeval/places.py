"""Which places on a leaderboard are real: ties within noise, and intervals of ranks, from the runs' samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sqeval.boards import Board, Entry, Place, score
from sqeval.comparing import metrics_of
from sqeval.data.collection import paused
from sqeval.errors import SqevalError, UserError
from sqeval.runs import TaskRun
from sqeval.stats.clusters import evaluator
from sqeval.stats.differences import difference
from sqeval.stats.metric import Metric
from sqeval.stats.ranks import rank_intervals
from sqeval.stats.significance import holm

ALPHA = 0.05


@paused()
def weigh(board: Board) -> list[str]:
    """Fill in `Place.tied` and `Place.bounds` of the ranked entries; says whose samples could not be used, and why.

    A run is tied with the best of a task if their paired, clustered difference has p >= 5 %, adjusted by Holm's method
    for all runs that are compared with the best. The samples of every task with two ranked runs are read, a task at a
    time.
    """
    problems: list[str] = []
    for task in board.tasks:
        ranked = [entry for entry in board.ranked if task in entry.places]
        if len(ranked) < 2:
            continue
        metrics: dict[Path, Metric] = {}
        for entry in ranked:
            try:
                metrics[entry.run.path] = primary_metric(entry.run.tasks[task])
            except SqevalError as error:
                problems.append(f"{entry.run.name}, {task}: ties and ranks are not known: {error}")
        try:
            places = _weighed({entry.run.path: entry.places[task] for entry in ranked}, metrics)
        except ValueError as error:  # units that cannot be paired
            problems.append(f"{board.data}, {task}: ties and ranks are not known: {error}")
        else:
            board.entries = [_with_place(entry, task, places.get(entry.run.path)) for entry in board.entries]
    return problems


def primary_metric(run: TaskRun) -> Metric:
    """The primary metric, computed anew from the run's samples.

    Raises SqevalError if they cannot be read, and UserError if they do not give the score in metrics.json.
    """
    primary = str(run.result["primary"])
    try:
        metric = metrics_of(replace(run))[primary]  # of a copy: the board's own run would keep all records in memory
    except (KeyError, ValueError) as error:
        raise UserError(f"its samples do not give {primary} ({error}); score it again") from error
    value = float(evaluator(metric, len(metric.ids))(metric.columns.sum(axis=0)))
    if not math.isclose(value, score(run) or 0.0, rel_tol=1e-9, abs_tol=1e-9):
        raise UserError(f"its samples give {value:.6g}, metrics.json says {score(run)}; score it again")
    return metric


def _weighed(places: Mapping[Path, Place], metrics: Mapping[Path, Metric]) -> dict[Path, Place]:
    """`places` with what `metrics` tell; a run without its metric makes all ranks vague, and is never tied."""
    tied = _tied({path: place for path, place in places.items() if path in metrics}, metrics)
    ranks = rank_intervals([metrics[path] for path in places]) if len(metrics) == len(places) else None
    bounds = {path: (rank.low, rank.high) for path, rank in zip(places, ranks, strict=True)} if ranks else {}
    return {path: replace(place, tied=tied.get(path), bounds=bounds.get(path)) for path, place in places.items()}


def _tied(places: Mapping[Path, Place], metrics: Mapping[Path, Metric]) -> dict[Path, bool]:
    best = next((path for path, place in places.items() if place.rank == 1), None)
    if best is None:
        return {}
    tests = {path: difference(metrics[best], metrics[path]).p for path, place in places.items() if place.rank > 1}
    known = {path: p for path, p in tests.items() if p is not None}
    return {path: p >= ALPHA for path, p in zip(known, holm(list(known.values())), strict=True)}


def _with_place(entry: Entry, task: str, place: Place | None) -> Entry:
    return entry if place is None else replace(entry, places={**entry.places, task: place})
