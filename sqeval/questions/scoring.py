"""From files of questions to scores: every condition with its floor, written to a folder of its own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqeval.provenance import packages
from sqeval.questions import relevance
from sqeval.questions.files import ImageQuestions
from sqeval.questions.metrics import METRICS
from sqeval.questions.summary import Summary, Value, pool_of, summarise, values_of
from sqeval.questions.table import Setup, Table, build, shuffled
from sqeval.questions.usable import anchored, patient_utility, usable_at
from sqeval.report.files import write_bytes, write_text
from sqeval.report.text import spreadsheet

SCHEMA = "sqeval.question-scores/1"
SUMMARY, QUESTIONS, IMAGES = "summary.json", "question_scores.csv", "image_scores.csv"
HUMAN = "human"
"""Family of a model that is people: their row is the ceiling."""
FLOOR_ROWS = ("uq.at_k", "uq.usable", "gr.rauc", "gr.relevant", "gr.premise_fpr")
EXPLORATORY = 30
"""Fewer images than that say little."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One condition."""

    run_id: str
    table: Table
    summary: Summary
    floor: dict[str, Value] | None
    """The same questions about shuffled images, by the same thresholds, mean of some shuffles; None below tier 1."""

    @property
    def human(self) -> bool:
        """Whether people asked."""
        return self.table.images[0].model.get("family") == HUMAN

    @property
    def headline(self) -> Value:
        """UQ@k."""
        return self.summary.values["uq.at_k"]


def headline_name(setup: Setup) -> str:
    """``UQ-T1@5``: tiers are never compared, so that the name says which one it is."""
    return f"UQ-T{setup.tier}@{setup.k}"


def score(conditions: Sequence[Sequence[ImageQuestions]], setup: Setup) -> list[Scored]:
    """Score conditions side by side; topics are found in the questions of all of them."""
    tables = [build(images, setup) for images in conditions]
    pool = pool_of(tables)
    return [Scored(t.images[0].run_id, t, summarise(t, pool), _floor(t)) for t in tables]


def _floor(table: Table) -> dict[str, Value] | None:
    if table.setup.tier < 1 or len(table.images) < 2:
        return None
    found = [values_of(shuffled(table, seed), FLOOR_ROWS) for seed in relevance.FLOOR_SHUFFLES]
    return {name: _averaged([values[name] for values in found]) for name in FLOOR_ROWS}


def _averaged(values: Sequence[Value]) -> Value:
    """The mean of the same measure on several shuffles; its interval is that of one, as the images are the same."""
    known = [value for value in values if value.value is not None]
    if not known:
        return values[0]

    def mean(numbers: Sequence[float | None]) -> float | None:
        given = [number for number in numbers if number is not None]
        return sum(given) / len(given) if len(given) == len(known) else None

    middle, low, high = (mean([getattr(value, name) for value in known]) for name in ("value", "low", "high"))
    return Value(middle, low, high, known[0].used, known[0].total)


def write(scored: Scored, ceiling: Scored | None, folder: Path) -> None:
    """summary.json, question_scores.csv and image_scores.csv."""
    write_bytes(folder / QUESTIONS, _question_csv(scored))
    write_bytes(folder / IMAGES, _image_csv(scored))
    write_text(folder / SUMMARY, json.dumps(to_json(scored, ceiling), ensure_ascii=False, indent=1) + "\n")


def to_json(scored: Scored, ceiling: Scored | None = None) -> dict[str, Any]:
    """summary.json: null stands for what could not be computed, with the reason beside it."""
    table, first = scored.table, scored.table.images[0]
    floor = None if scored.floor is None else {name: value.to_json() for name, value in scored.floor.items()}
    return {
        "schema": SCHEMA,
        "run_id": scored.run_id,
        "model": dict(first.model),
        "gen": dict(first.gen),
        "tier": table.setup.tier,
        "headline": {
            "name": headline_name(table.setup),
            **scored.headline.to_json(),
            "anchored": anchored_share(scored, ceiling),
        },
        "n_images": len(table.images),
        "n_questions": len(table.rows),
        "exploratory": len(table.images) < EXPLORATORY,
        "funnel": [{"gate": s.gate, "share": s.share, "lost": s.lost} for s in scored.summary.funnel],
        "diversity_share": scored.summary.gated_share,
        "metrics": {name: value.to_json() for name, value in scored.summary.values.items()},
        "floor": floor,
        "parameters": {
            "k": table.setup.k,
            "relevance_scorer": table.setup.scorer.name,
            "relevance_threshold": table.threshold,
            "fluency_floor": table.setup.fluency.floor,
            "gates": list(table.setup.gates),
        },
        "packages": packages(),
    }  # fmt: skip


def anchored_share(scored: Scored, ceiling: Scored | None) -> float | None:
    """Where the share of usable questions lies between shuffled images (0) and people (1); None without either."""
    own = scored.summary.values["uq.usable"].value
    low = None if scored.floor is None else scored.floor["uq.usable"].value
    high = None if ceiling is None else ceiling.summary.values["uq.usable"].value
    return None if own is None or low is None or high is None else anchored(own, low, high)


def _question_csv(scored: Scored) -> bytes:
    table = scored.table
    gates = table.setup.gates
    values = [
        name for name, m in METRICS.items() if m.level == "question" and any(name in r.values for r in table.rows)
    ]
    head = ["qid", "image_id", "raw", "core", "act", "type", "level", "class", "usable", "failed", "reason"]
    rows = []
    for row in table.rows:
        failed = next((gate for gate in gates if row.gates.get(gate) is False), "")
        image = table.images[row.image].image_id
        texts = [row.asked.qid, image, row.asked.text, row.normal.core, row.normal.act, row.kind, row.level]
        plain = [str(row.own_class), int(row.usable(gates)), failed, row.reasons.get(failed, "")]
        rows.append([*map(spreadsheet, texts), *plain, *(_cell(row.values.get(name)) for name in values)])
    return _csv([*head, *values], rows)


def _image_csv(scored: Scored) -> bytes:
    table = scored.table
    gates, k = table.setup.gates, table.setup.k
    rows = []
    for image, group in zip(table.images, table.by_image(), strict=True):
        kinds, fine = [row.own_class for row in group], [row.usable(gates) for row in group]
        uq, patient = usable_at(kinds, fine, k), patient_utility(kinds, fine)
        names = [spreadsheet(image.image_id), spreadsheet(image.image or "")]
        rows.append([*names, len(group), len(set(kinds)), sum(fine), _cell(uq), _cell(patient)])
    return _csv(["image_id", "image", "asked", "distinct", "usable", f"uq_at_{k}", "patient"], rows)


def _csv(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: float | None) -> str:
    return "" if value is None else repr(float(value))
