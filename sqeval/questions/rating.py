"""Group H: what people say. Sheets to fill in, order random and askers hidden, and how far the raters agree."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sqeval.data.entry import Entry
from sqeval.data.files import read_csv, read_object
from sqeval.data.text import show
from sqeval.errors import DataError, UserError
from sqeval.questions.files import ImageQuestions
from sqeval.questions.rating_page import write_page
from sqeval.report.files import write_text
from sqeval.report.text import spreadsheet

ITEMS = {
    "understandable": "The question can be understood.",
    "about_image": "What it takes for granted is there in the image.",
    "answerable": "The image answers it.",
    "needs_image": "Nobody could answer it without the image.",
    "specific": "It asks something worth asking about this very image.",
}
"""Answered by 1 (yes) or 0 (no)."""
OVERALL = "overall"
"""From 1 to 5."""
SHEET, PAGE, KEY = "rating_sheet.csv", "rating_sheet.html", "rating_key.json"


@dataclass(frozen=True, slots=True)
class Rating:
    """One rater on one question; items that were left open are absent."""

    qid: str
    rater: str
    items: Mapping[str, int]


def export(conditions: Sequence[Sequence[ImageQuestions]], folder: Path, items: int, seed: int = 0) -> int:
    """Write a sheet of up to `items` questions, as many of each asker, as a table and as a page with the pictures, and
    the key that tells who asked; the number of questions.

    Raises UserError if a sheet is there already: ratings must not lose their key.
    """
    if (folder / KEY).exists():
        raise UserError(f"{folder / KEY} is there already; give another folder, or the ratings lose their key")
    rng = np.random.default_rng(seed)
    each = max(1, items // len(conditions))
    chosen: list[tuple[ImageQuestions, str, str]] = []
    for images in conditions:
        pool = [(image, asked.qid, asked.text) for image in images for asked in image.questions]
        chosen += [pool[i] for i in rng.permutation(len(pool))[:each]]
    order = [chosen[i] for i in rng.permutation(len(chosen))]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["item", "image", "question", *ITEMS, OVERALL])
    for number, (image, _, question) in enumerate(order, 1):
        writer.writerow([number, spreadsheet(image.image or image.image_id), spreadsheet(question)])
    key = {str(number): {"qid": qid, "image_id": image.image_id} for number, (image, qid, _) in enumerate(order, 1)}
    write_text(folder / KEY, json.dumps({"items": key, "questions": ITEMS}, ensure_ascii=False, indent=1) + "\n")
    write_text(folder / SHEET, text.getvalue())
    asked = [(image.image, image.image or image.image_id, question) for image, _, question in order]
    write_page(folder / PAGE, asked, ITEMS, OVERALL)
    return len(order)


def ingest(sheets: Sequence[Path], key: Path) -> list[Rating]:
    """Ratings from filled sheets, a rater a file. Raises DataError for what is no rating."""
    named = read_object(key).entry("items")
    items = {item: named.entry(item).get("qid", str) for item in named.value}
    found = []
    for sheet in sheets:
        for row in _rows(sheet, "item"):
            item = row.get("item", str)
            if item not in items:
                raise row.error(f"item {show(item)} is not in {key.name}", "item")
            given = _given(row)
            if given:
                found.append(Rating(items[item], sheet.stem, given))
    if not found:
        raise DataError("no item is rated", file=sheets[0])
    return found


def _rows(path: Path, *names: str) -> list[Entry]:
    rows = read_csv(path)
    missing = {*names, *ITEMS, OVERALL} - set(rows[0].value) if rows else set()
    if missing:
        raise DataError(f"expected the column {sorted(missing)[0]!r}", file=path, line=1)
    return rows


def _given(row: Entry) -> dict[str, int]:
    """Ratings by item; cells that are left empty are no ratings."""
    given = {}
    for name in (*ITEMS, OVERALL):
        text = row.get(name, str).strip()
        allowed = ("1", "2", "3", "4", "5") if name == OVERALL else ("0", "1")
        if text and text not in allowed:
            wanted = "1 to 5" if name == OVERALL else "0 or 1"
            raise row.error(f"expected {wanted}, found {show(text)}", name)
        if text:
            given[name] = int(text)
    return given


def alpha(ratings: Iterable[tuple[str, int]]) -> float | None:
    """Krippendorff's alpha for nominal values, from (unit, value) pairs, a value a rater; 1 is full agreement, 0 what
    chance gives. None if no unit has two values, or if all values are the same.

    1 - D_o / D_e over the coincidences of values within units (Krippendorff 2004).
    """
    units: dict[str, list[int]] = defaultdict(list)
    for unit, value in ratings:
        units[unit].append(value)
    weights: dict[tuple[int, int], float] = defaultdict(float)
    for values in units.values():
        if len(values) < 2:
            continue
        for i, a in enumerate(values):
            for j, b in enumerate(values):
                if i != j:
                    weights[a, b] += 1 / (len(values) - 1)
    totals: dict[int, float] = defaultdict(float)
    for (a, _), weight in weights.items():
        totals[a] += weight
    n = sum(totals.values())
    observed = sum(weight for (a, b), weight in weights.items() if a != b)
    expected = sum(totals[a] * totals[b] for a in totals for b in totals if a != b)
    return 1 - (n - 1) * observed / expected if expected else None


def majority(ratings: Sequence[Rating], item: str) -> dict[str, int]:
    """What most raters said of each question; ties are no."""
    votes: dict[str, list[int]] = defaultdict(list)
    for rating in ratings:
        if item in rating.items:
            votes[rating.qid].append(rating.items[item])
    return {qid: int(2 * sum(each) > len(each)) for qid, each in votes.items()}


def overall(ratings: Sequence[Rating]) -> dict[str, float]:
    """Mean of each question's overall ratings."""
    given: dict[str, list[int]] = defaultdict(list)
    for rating in ratings:
        if OVERALL in rating.items:
            given[rating.qid].append(rating.items[OVERALL])
    return {qid: sum(each) / len(each) for qid, each in given.items()}


def read_ratings(path: Path) -> list[Rating]:
    """What `ingest` put together. Raises DataError."""
    return [Rating(row.get("qid", str), row.get("rater", str), _given(row)) for row in _rows(path, "qid", "rater")]
