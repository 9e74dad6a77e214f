"""The headline and its gates; group A's unbiased statistics."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqeval.questions.answering import agreement, answerability, cross_agreement, gini_gain, visual_dependence
from sqeval.questions.answers import Answer
from sqeval.questions.usable import anchored, funnel, patient_utility, usable_at


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=5), st.integers(1, 5))
def test_the_headline_is_the_mean_over_all_orders(questions: list[tuple[int, bool]], k: int) -> None:
    classes, fine = [c for c, _ in questions], [ok for _, ok in questions]
    if k > len(questions):
        assert usable_at(classes, fine, k) is None
        return
    counts = [len({c for c, ok in order[:k] if ok}) for order in permutations(questions)]
    assert usable_at(classes, fine, k) == pytest.approx(np.mean(counts))


def test_all_asked_is_the_plain_count() -> None:
    assert usable_at([0, 1, 1, 2, 3], [True, True, True, False, True], 5) == 3


def test_patience() -> None:
    assert patient_utility([0, 1, 2], [True] * 3) == 1
    assert patient_utility([0, 0, 1], [True, True, True]) == pytest.approx((1 + 0.64) / (1 + 0.8 + 0.64))
    assert patient_utility([], []) == 0


def test_the_funnel_loses_each_question_once() -> None:
    passed: list[dict[str, bool | None]] = [
        {"valid": True, "relevant": True},
        {"valid": False, "relevant": False},
        {"valid": True, "relevant": False},
        {"valid": True, "relevant": None},
    ]
    reasons = [{}, {"valid": "loop", "relevant": "no"}, {"relevant": "elsewhere"}, {}]
    steps = funnel(("valid", "relevant"), passed, reasons)
    assert [(s.gate, s.share) for s in steps] == [("asked", 1.0), ("valid", 0.75), ("relevant", 0.5)]
    assert [s.lost for s in steps[1:]] == [{"loop": 1}, {"elsewhere": 1}]


def test_anchoring() -> None:
    assert anchored(0.06, 0.06, 0.6) == 0
    assert anchored(0.6, 0.06, 0.6) == pytest.approx(1)
    assert anchored(0.5, 0.6, 0.6) is None


def test_match_statistics_by_hand() -> None:
    said = ["a", "a", "b"]
    assert agreement(said) == pytest.approx(1 / 3)
    assert cross_agreement(said, said) == pytest.approx(5 / 9)
    assert visual_dependence(said, said) == pytest.approx(-2 / 9)  # negative values are legal: the mean is zero
    assert visual_dependence(["a"], ["b"]) == 1
    assert visual_dependence(["a"], []) is None
    assert agreement(["a"]) is None


def test_no_effect_gives_zero_on_average_and_an_effect_its_size() -> None:
    rng = np.random.default_rng(0)

    def mean(p: list[float], q: list[float], k: int) -> float:
        draws = [(rng.choice(4, k, p=p).tolist(), rng.choice(4, k, p=q).tolist()) for _ in range(6_000)]
        return float(np.mean([visual_dependence([*map(str, a)], [*map(str, b)]) for a, b in draws]))

    uniform, peaked, other = [0.25] * 4, [0.85, 0.05, 0.05, 0.05], [0.05, 0.05, 0.05, 0.85]
    assert mean(uniform, uniform, 3) == pytest.approx(0, abs=0.02)
    truth = (2 * (0.85**2 + 3 * 0.05**2) - 2 * (2 * 0.85 * 0.05 + 2 * 0.05**2)) / 2
    assert mean(peaked, other, 3) == pytest.approx(truth, abs=0.02)


def test_gini_gain() -> None:
    assert gini_gain([["red", "red"], ["blue", "blue"]]) == 1
    assert gini_gain([["red", "red"], ["red", "red"]]) == 0
    assert gini_gain([["red"], ["red"], ["blue"]]) == pytest.approx(1 - 1 / 3)
    assert gini_gain([["red"]]) is None


def test_answerers_count_alike_however_much_they_said() -> None:
    one = [Answer("q", "one", "img", "red", k) for k in range(10)] + [Answer("q", "one", "blind", "red")]
    two = [Answer("q", "two", "img", "Unanswerable"), Answer("q", "two", "blind", "blue.")]
    found = answerability([*one, *two], own_answer="Red.")
    assert found.answerable == pytest.approx(0.5)
    assert found.roundtrip == pytest.approx(0.5)
    assert found.visual == pytest.approx(0.5)
    assert found.guessed is False


def test_a_panel_s_answer_and_who_needs_the_image_for_it() -> None:
    def said(who: str, seen: str, blind: str) -> list[Answer]:
        return [Answer("q", who, "img", seen), Answer("q", who, "blind", blind)]

    found = answerability([*said("a", "red", "blue"), *said("b", "Red.", "red"), *said("c", "green", "blue")])
    assert found.knowledge == pytest.approx(1 / 3)  # b would have guessed it, c does not give it
    assert found.difficulty == pytest.approx(1 / 3)
    assert answerability([Answer("q", "a", "blind", "red")]).knowledge is None
