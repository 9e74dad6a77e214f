"""VizWiz: the official evaluator's numbers on the validation split, its contractions, scikit-learn's measures.

`vizwiz_val_answers.json.gz` holds the answers and answer types of VizWiz-VQA's validation annotations in the official
order (vizwiz.org, CC BY 4.0; everything else left out).
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from sqeval.scoring import vizwiz

GOLDEN = Path(__file__).parents[1] / "golden"
VAL = json.loads(gzip.decompress((GOLDEN / "vizwiz_val_answers.json.gz").read_bytes()))
Answer = Callable[[list[str]], str]


@pytest.mark.parametrize(
    ("answer", "official"),
    [
        (lambda people: "unanswerable", 52.123176661263926),
        (lambda people: "Unanswerable", 52.123176661263926),
        (lambda people: Counter(people).most_common(1)[0][0], 94.01018754341324),
        (lambda people: people[0], 73.24843713822759),
        (lambda people: people[2].upper() + ".", 75.12618661727362),
    ],
)
def test_the_official_accuracy_to_the_last_bit(answer: Answer, official: float) -> None:
    total = 0.0
    for row in VAL:
        total += vizwiz.accuracy(answer(row["answers"]), row["answers"])
    assert 100 * total / len(VAL) == pytest.approx(official, rel=1e-15)


def test_the_official_accuracy_by_answer_type() -> None:
    found: dict[str, list[float]] = {}
    for row in VAL:
        found.setdefault(row["answer_type"], []).append(vizwiz.accuracy("unanswerable", row["answers"]))
    assert {kind: round(100 * sum(values) / len(values), 2) for kind, values in found.items()} == {
        "unanswerable": 100.0, "other": 28.91, "yes/no": 36.82, "number": 33.96,
    }  # fmt: skip
    assert {kind: len(values) for kind, values in found.items()} == {
        "other": 2691, "unanswerable": 1385, "yes/no": 195, "number": 48,
    }  # fmt: skip


def test_the_contractions_are_the_official_ones() -> None:
    assert json.loads((GOLDEN / "vizwiz_contractions.json").read_text("utf-8")) == vizwiz.TYPOGRAPHIC


def test_people_are_taken_at_their_word_and_predictions_are_not() -> None:
    assert vizwiz.accuracy("Dr. Pepper!", ["dr pepper"] * 10) == 1.0
    assert vizwiz.accuracy("Dr. Pepper!", ["Dr. Pepper!"] * 10) == 0.0
    assert vizwiz.accuracy("dont", ["don’t"] * 10) == 1.0
    assert vizwiz.accuracy("yes", ["yes"] * 10) == 1.0  # also where all agree: no rule of its own for that


WORDS = st.lists(
    st.sampled_from(["one", "None", "the", "A", "dog", "whats", "DONT", "5", "somebody’d", "  "]), max_size=6
)


@given(WORDS.map(" ".join))
def test_without_punctuation_a_second_pass_changes_nothing(text: str) -> None:
    once = vizwiz.normalize(text)
    assert vizwiz.normalize(once) == once


TRUTHS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2).filter(
    lambda pairs: any(not answerable for answerable, _ in pairs)
)


@given(TRUTHS)
def test_answerability_is_scikit_learn_s(pairs: list[tuple[bool, bool]]) -> None:
    """Of (answerable, said to be answerable); the official evaluator calls scikit-learn with one minus both."""
    counts = np.zeros(4)
    for answerable, said in pairs:
        outcome = vizwiz.outcome("a cup" if said else "Unanswerable.", answerable)
        counts[vizwiz.COUNTS.index(outcome)] += 1
    truth, said_not = [1 - int(a) for a, _ in pairs], [1 - int(s) for _, s in pairs]
    assert vizwiz.average_precision(counts) == pytest.approx(average_precision_score(truth, said_not))
    assert vizwiz.f1(counts) == pytest.approx(f1_score(truth, said_not, zero_division=0))
    assert vizwiz.precision(counts) == pytest.approx(precision_score(truth, said_not, zero_division=0))
    assert vizwiz.recall(counts) == pytest.approx(recall_score(truth, said_not, zero_division=0))
    assert vizwiz.average_precision(np.stack([counts, 3 * counts])).shape == (2,)


def test_no_answer_is_wrong_either_way() -> None:
    assert [vizwiz.outcome(None, answerable) for answerable in (True, False)] == ["fp", "fn"]
    assert vizwiz.average_precision(np.zeros(4)) == 0.0
