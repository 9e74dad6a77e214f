"""People's ratings, and how metrics are held against them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sqeval.errors import DataError, UserError
from sqeval.questions.files import Asked, ImageQuestions
from sqeval.questions.meta import agreement, auc, spearman
from sqeval.questions.rating import ITEMS, KEY, SHEET, alpha, export, ingest, majority, read_ratings

GEN = {"sampling": "iid", "n": 1, "temperature": 1.0, "seed": 0}


def condition(name: str) -> list[ImageQuestions]:
    return [
        ImageQuestions(name, f"{i}.jpg", (Asked(f"{name}/{i}", f"={name} {i}?"),), {"name": name}, GEN)
        for i in range(20)
    ]


def test_krippendorff_s_own_example() -> None:
    """Nominal data with missing values of Krippendorff 2011, Computing Krippendorff's Alpha-Reliability: .743."""
    observers = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    pairs = [(str(u), int(v)) for row in observers for u, v in enumerate(row.split()) if v != "."]
    assert alpha(pairs) == pytest.approx(0.743, abs=5e-4)
    assert alpha([("a", 1), ("a", 1), ("b", 0), ("b", 0)]) == 1
    assert alpha([("a", 1), ("b", 0)]) is None


def test_sheets_hide_who_asked_and_come_back_whole(tmp_path: Path) -> None:
    assert export([condition("one"), condition("two")], tmp_path, 20) == 20
    sheet = list(csv.DictReader((tmp_path / SHEET).read_text().splitlines()))
    key = json.loads((tmp_path / KEY).read_text())["items"]
    assert sum(entry["qid"].startswith("one") for entry in key.values()) == 10
    assert [entry["qid"].startswith("one") for entry in key.values()] != [True] * 10 + [False] * 10
    assert all(row["question"].startswith("'=") for row in sheet)  # no formula
    with pytest.raises(UserError, match="lose their key"):
        export([condition("one")], tmp_path, 5)
    for rater, value in (("ann", 1), ("bob", 0), ("eve", 1)):
        with (tmp_path / f"{rater}.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(sheet[0]))
            writer.writeheader()
            writer.writerows({**row, **dict.fromkeys(ITEMS, value), "overall": 4} for row in sheet[:3])
    ratings = ingest([tmp_path / f"{rater}.csv" for rater in ("ann", "bob", "eve")], tmp_path / KEY)
    assert len(ratings) == 9
    assert set(majority(ratings, "answerable").values()) == {1}


@pytest.mark.parametrize(("cell", "told"), [("2", 'expected 0 or 1, found "2"'), ("yes", "expected 0 or 1")])
def test_bad_ratings_are_told(tmp_path: Path, cell: str, told: str) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(",".join(["qid", "rater", *ITEMS, "overall"]) + f"\nq,ann,{cell},,,,,\n")
    with pytest.raises(DataError, match=told):
        read_ratings(path)


def test_auc_is_scikit_learn_s() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores, truth = rng.integers(0, 6, 50).astype(float), rng.random(50) < 0.4
        assert auc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))
    assert auc(np.ones(4), np.array([True] * 4)) is None


def test_a_metric_is_validated_above_chance_and_on_enough_only() -> None:
    rng = np.random.default_rng(0)
    truth = {str(i): bool(rng.random() < 0.5) for i in range(400)}
    image_of = {qid: str(int(qid) // 4) for qid in truth}
    good = {qid: holds + rng.normal() for qid, holds in truth.items()}
    found = agreement("m", "t", good, truth, image_of)
    assert found.validated
    assert found.auc == pytest.approx(0.76, abs=0.05)  # of two normals one standard deviation apart
    assert not agreement("m", "t", {qid: rng.normal() for qid in truth}, truth, image_of).validated
    few = dict(list(good.items())[:60])
    assert not agreement("m", "t", few, truth, image_of).validated
    upside_down = {qid: -value for qid, value in good.items()}
    assert agreement("m", "t", upside_down, truth, image_of, falling=True).auc == pytest.approx(found.auc)
    assert spearman(good, {qid: 3 * value for qid, value in good.items()}) == pytest.approx(1)
