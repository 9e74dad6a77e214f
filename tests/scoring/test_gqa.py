"""GQA's measures; the official script's output on the toy set is checked in tests/tasks/test_gqa_task.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqeval.scoring import gqa


@pytest.mark.parametrize(
    ("response", "answer"), [("No.", "no"), ("Yes...", "yes"), (" no", " no"), ("T-Shirt", "t-shirt"), ("", "")]
)
def test_only_trailing_periods_and_capitals_go(response: str, answer: str) -> None:
    assert gqa.normalize(response) == answer


def test_common_questions_accept_the_three_attributes() -> None:
    assert gqa.acceptable(["x"], "twoCommon") == {"color", "material", "shape"}
    assert gqa.acceptable(["x"], "sameMaterialsC") == {"x"}


def test_steps_leave_out_existence_and_names() -> None:
    program = [("select", "lamp (6)"), ("relate", "couch,to the left of,s (7)"), ("exist", "?"), ("query", "name")]
    assert gqa.steps(program) == 2
    assert gqa.steps([("choose name", "dog|cat"), ("query", "color")]) == 1


def test_consistency_looks_at_right_answers_that_entail_something() -> None:
    correct = {"a": 1.0, "b": 0.0, "c": 1.0, "d": 1.0}
    entailed = {"a": ["b", "c"], "b": ["a"], "c": [], "d": ["a"]}
    assert gqa.consistency(correct, entailed) == {"a": 0.5, "d": 1.0}


ANSWERS = st.sampled_from(["red", "blue", "green"])


@given(st.lists(st.tuples(st.sampled_from("xy"), ANSWERS, ANSWERS | st.none(), st.sampled_from("123")), min_size=1))
def test_distribution_is_the_weighted_chi_square(rows) -> None:
    groups, answers, predictions, units = (list(values) for values in zip(*rows, strict=True))
    names, counts, function = gqa.distribution(groups, answers, predictions, units)
    assert names == list(dict.fromkeys(units))
    total, size = 0.0, 0
    for group in dict.fromkeys(groups):
        true = [a for g, a in zip(groups, answers, strict=True) if g == group]
        said = [p for g, p in zip(groups, predictions, strict=True) if g == group]
        chi = sum((said.count(a) - true.count(a)) ** 2 / true.count(a) for a in dict.fromkeys(true))
        total += chi * len(true)
        size += len(true)
    assert function(counts.sum(axis=0)) == pytest.approx(total / size / 100, abs=1e-12)
    assert function(np.stack([counts.sum(axis=0)] * 2)).shape == (2,)


@given(st.lists(st.tuples(st.sampled_from("xy"), ANSWERS, st.sampled_from("123")), min_size=1))
def test_the_right_answers_have_the_right_distribution(rows) -> None:
    groups, answers, units = (list(values) for values in zip(*rows, strict=True))
    _, counts, function = gqa.distribution(groups, answers, answers, units)
    assert function(counts.sum(axis=0)) == 0.0
