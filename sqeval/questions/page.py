"""The question report: one self-contained page about one or more scored runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup

from sqeval import __version__
from sqeval.data.images import ImageRef
from sqeval.data.text import is_file, read_text
from sqeval.errors import DataError
from sqeval.progress import Progress, Silent
from sqeval.questions import figures
from sqeval.questions.comparing import Stored
from sqeval.questions.metrics import GROUPS, METRICS
from sqeval.questions.scoring import HUMAN
from sqeval.report.files import write_text
from sqeval.report.html import thumbnails
from sqeval.report.html.render import render
from sqeval.report.text import plain

SHOWN = ("uq.at_k", "uq.usable", "wf.valid", "wf.fluent", "wf.complete", "dv.distinct_k", "dv.rd_2", "gr.rauc",
         "gr.premise_fpr", "an.answerable", "an.visual")  # fmt: skip
"""Columns of the table, as far as anybody has them."""
GALLERY = 6
"""Questions of each kind."""
HEADS = 12
"""Images head to head."""
EMBED_MB = 12.0
_TEMPLATES = files("sqeval.questions") / "templates"


def write(runs: Sequence[Stored], path: Path, validation: Path | None = None, progress: Progress | None = None) -> None:
    """Write the page to `path`, which is replaced. `validation`: what `sqeval questions validate -o` wrote."""
    progress = progress or Silent()
    galleries = [_gallery(run) for run in runs]
    heads = _head_to_head(runs) if len(runs) == 2 else []
    wanted = [q["image"] for gallery in galleries for group in gallery for q in group["questions"]]
    wanted += [head["image"] for head in heads]
    images = list(dict.fromkeys(image for image in wanted if image))
    folder = path.with_name(f"{path.stem}_files")
    refs = [ImageRef(image, Path(image)) if is_file(Path(image)) else None for image in images]
    made = thumbnails.make(refs, int(EMBED_MB * 1e6), folder, progress)
    addresses = dict(zip(images, made.addresses, strict=True))
    view = {
        "version": __version__,
        "title": ", ".join(plain(run.run_id, 40) for run in runs),
        "headline": runs[0].summary["headline"]["name"],
        "banner": _banner(runs),
        "columns": [METRICS[name] for name in SHOWN if any(_value(run, name) is not None for run in runs)],
        "rows": [_row(run) for run in runs],
        "funnels": [(plain(run.run_id, 40), figures.funnel(run.summary["funnel"])) for run in runs],
        "types": [
            (plain(run.run_id, 40), figures.treemap(_types(run)), _by_type(run)) for run in runs if run.questions
        ],
        "frontier": _frontier(runs),
        "validation": _validation(validation),
        "galleries": [(plain(run.run_id, 40), gallery) for run, gallery in zip(runs, galleries, strict=True)],
        "heads": heads,
        "names": [plain(run.run_id, 30) for run in runs],
        "metrics": list(METRICS.values()),
        "groups": GROUPS,
        "address": addresses,
    }
    write_text(path, render("sqeval.questions", "questions.html.j2", style=_style(), **view))
    thumbnails.remove_stale(made, folder)


def _style() -> str:
    """The run report's, and what these figures need besides."""
    sheets = (files("sqeval.report.html") / "templates" / "report.css", _TEMPLATES / "questions.css")
    return "\n".join(sheet.read_text("utf-8") for sheet in sheets)


def _banner(runs: Sequence[Stored]) -> list[str]:
    """What a reader has to know before the numbers."""
    lines = []
    for run in runs:
        gen = run.summary["gen"]
        told = ", ".join(
            f"{k} {gen[k]}" for k in ("protocol", "sampling", "temperature", "top_k", "top_p", "preface") if k in gen
        )
        lines.append(
            f"{run.run_id}: {run.summary['n_questions']:,} questions about {run.summary['n_images']:,} images; {told}"
        )
    lines += [f"{run.run_id}: fewer than 30 images, exploratory" for run in runs if run.summary["exploratory"]]
    settings = {json.dumps([run.summary["gen"].get("sampling"), run.summary["tier"]]) for run in runs}
    if len(settings) > 1:
        lines.append("These runs were asked or judged in different manners; their headlines do not compare.")
    return [plain(line) for line in lines]


def _row(run: Stored) -> dict[str, Any]:
    floor = run.summary.get("floor") or {}
    return {
        "name": plain(run.run_id, 40),
        "human": run.summary["model"].get("family") == HUMAN,
        "cells": {name: _cell(run.summary["metrics"].get(name)) for name in SHOWN},
        "floor": {name: _cell(floor.get(name)) for name in SHOWN},
        "has_floor": bool(floor),
        "anchored": run.summary["headline"].get("anchored"),
    }


def _cell(entry: Mapping[str, Any] | None) -> str:
    if entry is None or entry.get("value") is None:
        return "–"
    half = "" if entry.get("ci95") is None else f" ±{(entry['ci95'][1] - entry['ci95'][0]) / 2:.2f}"
    return f"{entry['value']:.2f}{half}"


def _value(run: Stored, name: str) -> float | None:
    value: float | None = (run.summary["metrics"].get(name) or {}).get("value")
    return value


def _types(run: Stored) -> Counter[tuple[str, str]]:
    return Counter((row["level"], row["type"]) for row in run.questions)


def _by_type(run: Stored) -> list[tuple[str, int, float]]:
    """(type, questions, share that is usable): where do counting questions fail?"""
    usable: dict[str, list[int]] = {}
    for row in run.questions:
        usable.setdefault(row["type"], []).append(int(row["usable"]))
    return [
        (kind.replace("_", " "), len(v), sum(v) / len(v))
        for kind, v in sorted(usable.items(), key=lambda i: -len(i[1]))
    ]


def _frontier(runs: Sequence[Stored]) -> Markup | None:
    """Share of usable questions against diversity, a point a run; None with less than two."""
    points = [(plain(r.run_id, 30), _value(r, "dv.rd_2"), _value(r, "uq.usable")) for r in runs]
    known = [(name, x, y) for name, x, y in points if x is not None and y is not None]
    if len(known) < 2:
        return None
    return figures.frontier(known, "diversity of well-formed questions (dv.rd_2)", "usable (uq.usable)")


def _validation(path: Path | None) -> dict[str, Any] | None:
    """Corruptions by metrics: what was claimed, and whether it was seen; of the first run in the file."""
    if path is None:
        return None
    try:
        content = json.loads(read_text(path))
        name, checks = next(iter(content.items()))
        claimed = [check for check in checks if check["expected"]]
        metrics = list(dict.fromkeys(check["metric"] for check in claimed))
        rows = {
            corruption: {c["metric"]: c for c in checks if c["corruption"] == corruption}
            for corruption in dict.fromkeys(check["corruption"] for check in checks)
        }
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError) as error:
        raise DataError(f"expected what `questions validate -o` writes ({error})", file=path) from None
    return {"run": plain(name, 40), "metrics": metrics, "rows": rows}


def _gallery(run: Stored) -> list[dict[str, Any]]:
    """The best questions, then the worst for each reason, then the most generic one."""
    image_of = {row["image_id"]: row["image"] for row in run.images}

    def shown(rows: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
        return [
            {"text": plain(row["raw"], 300), "reason": plain(row["reason"], 80), "image": image_of.get(row["image_id"])}
            for row in rows[:GALLERY]
        ]

    best = sorted((r for r in run.questions if r["usable"] == "1"), key=lambda r: -float(r.get("gr.margin") or 0))
    groups = [{"title": "Best: usable, and closest to their own image", "questions": shown(_one_each(best))}]
    for gate in run.summary["parameters"]["gates"]:
        failed = [row for row in run.questions if row["failed"] == gate]
        if failed:
            title = f"Lost at “{gate.replace('_', ' ')}”: {len(failed):,}"
            groups.append({"title": title, "questions": shown(_one_each(failed))})
    common = Counter(row["core"] for row in run.questions).most_common(GALLERY)
    often = [
        {"text": plain(text, 300), "reason": f"asked {count} times", "image": None}
        for text, count in common
        if count > 1
    ]
    return [*groups, *([{"title": "Asked most often", "questions": often}] if often else [])]


def _one_each(rows: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The first question of each image and text."""
    seen: set[str] = set()
    found = []
    for row in rows:
        if row["image_id"] not in seen and row["core"] not in seen:
            seen |= {row["image_id"], row["core"]}
            found.append(row)
    return found


def _head_to_head(runs: Sequence[Stored]) -> list[dict[str, Any]]:
    """The same images with both runs' questions, those where they differ most first."""
    sides = []
    for run in runs:
        by_image: dict[str, list[Mapping[str, str]]] = {}
        for row in run.questions:
            by_image.setdefault(row["image_id"], []).append(row)
        sides.append(by_image)
    image_of = {row["image_id"]: row["image"] for run in runs for row in run.images}
    common = [image for image in sides[0] if image in sides[1]]

    def lead(image: str) -> int:
        return sum(int(r["usable"]) for r in sides[1][image]) - sum(int(r["usable"]) for r in sides[0][image])

    order = sorted(common, key=lambda image: -abs(lead(image)))[:HEADS]
    return [
        {
            "name": plain(image, 60),
            "image": image_of.get(image),
            "sides": [
                [
                    {"text": plain(r["raw"], 200), "usable": r["usable"] == "1", "failed": plain(r["failed"])}
                    for r in side[image]
                ]
                for side in sides
            ],
        }
        for image in order
    ]
