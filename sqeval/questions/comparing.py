"""Two askers of the same images, question by gate: paired by image, corrected for several looks, and robust or not."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sqeval.errors import DataError, IncompleteError, UserError
from sqeval.questions.scoring import IMAGES, QUESTIONS, SCHEMA, SUMMARY
from sqeval.questions.usable import usable_at
from sqeval.rundir import read_json
from sqeval.stats.differences import Difference, difference
from sqeval.stats.distributions import normal_cdf
from sqeval.stats.metric import mean
from sqeval.stats.significance import holm

PRIMARIES = ("wf.valid", "gr.rauc", "an.visual")
"""One of each group that is a mean over questions; diversity's, dv.rd_2, belongs to the whole."""
DRAWS, SPREAD = 1_000, 0.2
"""Thresholds are drawn so often, so far to both sides of the calibrated ones."""


@dataclass(frozen=True)
class Stored:
    """One condition as `sqeval questions score` wrote it."""

    path: Path
    summary: Mapping[str, Any]
    questions: Sequence[Mapping[str, str]]
    images: Sequence[Mapping[str, str]]

    @property
    def run_id(self) -> str:
        return str(self.summary["run_id"])

    def by_image(self, column: str) -> dict[str, list[float]]:
        """Values of a column of the questions, by image."""
        found: dict[str, list[float]] = {}
        for row in self.questions:
            if row.get(column):
                found.setdefault(row["image_id"], []).append(float(row[column]))
        return found


@dataclass(frozen=True, slots=True)
class Compared:
    """One metric of two conditions: second minus first."""

    metric: str
    first: float | None
    second: float | None
    change: float
    low: float | None
    high: float | None
    p: float | None
    """Adjusted by Holm's method over the metrics that are compared."""
    images: int


def load(path: Path) -> Stored:
    """Read a folder of `sqeval questions score`. Raises UserError for one that is none."""
    summary = read_json(path / SUMMARY)
    if summary is None or summary.get("schema") != SCHEMA:
        raise UserError(f"{path}: no scores of questions here ({SUMMARY} is missing); give OUT/RUN_ID of `score`")
    return Stored(path, summary, _rows(path / QUESTIONS), _rows(path / IMAGES))


def require_comparable(first: Stored, second: Stored) -> None:
    """Raise IncompleteError, naming what differs, unless both were judged alike and asked in the same manner."""
    ours, theirs = (_manner(each.summary) for each in (first, second))
    differing = [f"{name} ({ours[name]} and {theirs[name]})" for name in ours if ours[name] != theirs[name]]
    if differing:
        raise IncompleteError(
            f"{first.run_id} and {second.run_id} are not comparable: they differ in {', '.join(differing)}"
        )


def _manner(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be the same for two headlines to be compared."""
    judged = {name: summary["parameters"][name] for name in ("k", "relevance_scorer", "fluency_floor")}
    return {"tier": summary["tier"], **judged, "sampling": summary["gen"].get("sampling")}


def compare(first: Stored, second: Stored) -> list[Compared]:
    """The headline and one metric of each group, on the images that both were asked about."""
    name = f"uq_at_{first.summary['parameters']['k']}"
    pairs: dict[str, tuple[dict[str, float], dict[str, float]]] = {
        "uq.at_k": (_per_image(first, name), _per_image(second, name))
    }
    for metric in PRIMARIES:
        pairs[metric] = (_means(first.by_image(metric)), _means(second.by_image(metric)))
    found = [each for metric, (a, b) in pairs.items() if (each := _paired(metric, a, b)) is not None]
    corpus = _corpus("dv.rd_2", first, second)
    found += [corpus] if corpus is not None else []
    adjusted = holm([1.0 if each.p is None else each.p for each in found])
    return [
        Compared(e.metric, e.first, e.second, e.change, e.low, e.high, p, e.images)
        for e, p in zip(found, adjusted, strict=True)
    ]


def robustness(first: Stored, second: Stored, seed: int = 0) -> float | None:
    """Share of drawn thresholds under which the second has the higher headline; None if nothing can be drawn.

    Fluency's floor and relevance's threshold are drawn independently, the same for both.
    """
    rng = np.random.default_rng(seed)
    both = [_Gated(each) for each in (first, second)]
    wins = total = 0
    for spread in rng.uniform(1 - SPREAD, 1 + SPREAD, (DRAWS, 2)):
        values = [each.headline(float(spread[0]), float(spread[1])) for each in both]
        if values[0] is None or values[1] is None:
            return None
        total += 1
        wins += values[1] > values[0]
    return wins / total if total else None


class _Gated:
    """Questions whose two calibrated gates can be set anew."""

    def __init__(self, stored: Stored) -> None:
        parameters = stored.summary["parameters"]
        self._k = int(parameters["k"])
        self._floor = float(parameters["fluency_floor"])
        self._threshold = parameters["relevance_threshold"]
        self._images: dict[str, list[Mapping[str, str]]] = {}
        for row in stored.questions:
            self._images.setdefault(row["image_id"], []).append(row)

    def headline(self, fluency: float, relevance: float) -> float | None:
        floor = self._floor * fluency
        # The distance to 1 is what is stretched: an rAUC cannot pass it.
        threshold = None if self._threshold is None else 1 - (1 - float(self._threshold)) * relevance
        values = []
        for rows in self._images.values():
            fine = [self._passes(row, floor, threshold) for row in rows]
            values.append(usable_at([int(row["class"]) for row in rows], fine, self._k))
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None

    @staticmethod
    def _passes(row: Mapping[str, str], floor: float, threshold: float | None) -> bool:
        if row["failed"] not in ("", "fluent", "relevant"):
            return False
        fluent = not row.get("wf.slor") or float(row["wf.slor"]) >= floor
        relevant = threshold is None or not row.get("gr.rauc") or float(row["gr.rauc"]) >= threshold
        return fluent and relevant


def _paired(metric: str, before: Mapping[str, float], after: Mapping[str, float]) -> Compared | None:
    images = [image for image in before if image in after]
    if len(images) < 2:
        return None
    first, second = (mean(metric, images, images, [each[i] for i in images]) for each in (before, after))
    found: Difference = difference(first, second)
    values = [float(np.mean([each[i] for i in images])) for each in (before, after)]
    return Compared(metric, values[0], values[1], values[1] - values[0], found.low, found.high, found.p, len(images))


def _corpus(metric: str, first: Stored, second: Stored) -> Compared | None:
    """From both intervals: the questions differ, so that there is nothing to pair."""
    entries = [each.summary["metrics"].get(metric) or {} for each in (first, second)]
    if any(entry.get("value") is None or entry.get("ci95") is None for entry in entries):
        return None
    a, b = (entry["value"] for entry in entries)
    stderr = math.hypot(*((entry["ci95"][1] - entry["ci95"][0]) / (2 * 1.96) for entry in entries))
    p = 2 * normal_cdf(-abs(b - a) / stderr) if stderr else 1.0
    return Compared(metric, a, b, b - a, b - a - 1.96 * stderr, b - a + 1.96 * stderr, p, len(first.images))


def _per_image(stored: Stored, column: str) -> dict[str, float]:
    return {row["image_id"]: float(row[column]) for row in stored.images if row.get(column)}


def _means(values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {image: float(np.mean(each)) for image, each in values.items()}


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot be read ({error}); score the questions again", file=path) from None


def to_json(compared: Sequence[Compared], robust: float | None) -> str:
    """For programs."""
    fields = ("metric", "first", "second", "change", "low", "high", "p", "images")
    rows = [{name: getattr(each, name) for name in fields} for each in compared]
    return json.dumps({"compared": rows, "robustness": robust}, indent=1) + "\n"
