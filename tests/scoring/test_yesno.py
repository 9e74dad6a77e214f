"""POPE's parser and measures: official cases, closed forms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sqeval.scoring import yesno

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize(("response", "label"), json.loads((GOLDEN / "pope_parse_cases.json").read_text()))
def test_official_parser(response: str, label: str) -> None:
    assert yesno.parse(response) == label


def test_an_empty_answer_is_a_yes_and_no_answer_is_wrong() -> None:
    assert yesno.parse("") == "yes"
    assert yesno.outcome(None, "yes") == "fn"
    assert yesno.outcome(None, "no") == "fp"


def test_measures_in_closed_form() -> None:
    counts = np.array([6.0, 2.0, 9.0, 3.0])
    assert yesno.precision(counts) == 0.75
    assert yesno.recall(counts) == 2 / 3
    assert yesno.f1(counts) == pytest.approx(2 * 6 / (2 * 6 + 2 + 3), abs=1e-15)
    assert yesno.accuracy(counts) == 0.75
    assert yesno.yes_ratio(counts) == 0.4


@pytest.mark.parametrize("counts", [[0, 0, 5, 0], [0, 0, 0, 5], [0, 5, 0, 0], [0, 0, 0, 0]])
def test_divisions_by_zero_give_zero(counts: list[float]) -> None:
    values = np.array(counts, dtype=float)
    assert yesno.f1(values) == 0.0
    for measure in (yesno.precision, yesno.recall, yesno.accuracy, yesno.yes_ratio):
        assert np.isfinite(measure(values))


def test_mean_f1_weighs_categories_alike_and_takes_replicates() -> None:
    rows = np.eye(4)[[0, 0, 1, 0, 3]]
    wide = yesno.in_block(rows, [0, 0, 0, 1, 2], 3)
    assert wide.shape == (5, 12)
    sums = wide.sum(axis=0)
    assert yesno.mean_f1(sums) == pytest.approx((0.8 + 1.0 + 0.0) / 3)
    both = yesno.mean_f1(np.stack([sums, 7 * sums]))
    assert both.shape == (2,)
    assert both[0] == both[1]
