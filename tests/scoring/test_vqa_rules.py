"""VQAv2, VizWiz and TextVQA against their evaluators' rules, written out step by step with tables of their own.

Nothing here comes from `sqeval.scoring`: the tables are the official ones (`vqa_tables.json`).
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqeval.scoring import vizwiz, vqa

TABLES = json.loads((Path(__file__).parents[1] / "golden" / "vqa_tables.json").read_text("utf-8"))


def without_marks(text: str) -> str:
    out = text
    for mark in TABLES["punct_in_order"]:
        touches_space = (mark + " " in text) or (" " + mark in text)
        if touches_space or re.search(r"(\d)(\,)(\d)", text) is not None:
            out = out.replace(mark, "")
        else:
            out = out.replace(mark, " ")
    kept, removed = [], 0
    for i, letter in enumerate(out):
        digit_follows = re.match(r"\d", out[i + 1 : i + 2]) is not None
        if letter == "." and not digit_follows and removed < 32:
            removed += 1
        else:
            kept.append(letter)
    return "".join(kept)


def mapped_words(text: str, contractions: dict[str, str]) -> str:
    kept = []
    for word in text.lower().split():
        number = TABLES["number_map"].get(word, word)
        if number not in TABLES["articles"]:
            kept.append(number)
    for i, word in enumerate(kept):
        if word in contractions:
            kept[i] = contractions[word]
    return " ".join(kept)


def cleaned(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def added(values: list[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total


def vqa_rules(prediction: str, people: list[str]) -> float:
    rows = [{"answer": cleaned(answer), "answer_id": i} for i, answer in enumerate(people, 1)]
    prediction = cleaned(prediction)
    if len({row["answer"] for row in rows}) > 1:
        for row in rows:
            row["answer"] = mapped_words(without_marks(str(row["answer"])), TABLES["contractions"])
        prediction = mapped_words(without_marks(prediction), TABLES["contractions"])
    shares = []
    for row in rows:
        others = [other for other in rows if other != row]
        matching = [other for other in others if other["answer"] == prediction]
        shares.append(min(1, float(len(matching)) / 3))
    return added(shares) / len(shares)


def vizwiz_rules(prediction: str, people: list[str]) -> float:
    prediction = mapped_words(without_marks(cleaned(prediction)), TABLES["vizwiz_curly"])
    shares = []
    for left_out in range(len(people)):
        others = people[:left_out] + people[left_out + 1 :]
        shares.append(min(1, float(others.count(prediction)) / 3))
    return added(shares) / len(shares)


def m4c_answer(text: str) -> str:
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    return mapped_words(without_marks(text.replace("\n", " ").replace("\t", " ").strip()), TABLES["contractions"])


def m4c_rules(prediction: str, people: list[str]) -> float:
    numbered = list(enumerate(m4c_answer(answer) for answer in people))
    scores = {}
    for answer in {text for _, text in numbered}:
        shares = []
        for annotator in numbered:
            others = [other for other in numbered if other != annotator]
            shares.append(min(1, float(len([other for other in others if other[1] == answer])) / 3))
        scores[answer] = added(shares) / len(shares)
    return scores.get(m4c_answer(prediction), 0.0)


PIECES = [
    "yes",
    "No",
    "two",
    "none",
    "a",
    "the",
    "dog",
    "dont",
    "it's",
    "somebody'd",
    "1,000",
    "5.",
    ".5",
    "U.S.",
    "t-shirt",
]
PIECES += ["don’t", "dont've", "/", ",", " , ", "?", "!", "-", "'s", ".", "\n", "\t", "  ", "@", "٣,٤", "é", "Im"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=5).map("".join) | st.lists(st.sampled_from(PIECES), max_size=4).map(
    " ".join
)


@st.composite
def answered(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A prediction and ten people's answers, few of them different, as people's are."""
    said = draw(st.lists(TEXTS | st.text(max_size=10), min_size=1, max_size=3))
    people = draw(st.lists(st.sampled_from(said), min_size=10, max_size=10))
    return draw(st.sampled_from(said) | TEXTS), people


@settings(max_examples=300, deadline=None)
@given(answered())
def test_accuracies_are_those_of_the_rules_to_the_last_bit(case: tuple[str, list[str]]) -> None:
    prediction, people = case
    assert vqa.accuracy(prediction, people) == vqa_rules(prediction, people)
    assert vizwiz.accuracy(prediction, people) == vizwiz_rules(prediction, people)
    assert vqa.submitted_accuracy(prediction, people) == m4c_rules(prediction, people)


@settings(max_examples=300, deadline=None)
@given(TEXTS | st.text(max_size=20))
def test_answers_are_processed_by_the_rules(text: str) -> None:
    once = mapped_words(without_marks(cleaned(text)), TABLES["contractions"])
    assert vqa.normalize(vqa.strip(text)) == once
    assert vqa.submitted(text) == m4c_answer(text)
    assert vizwiz.normalize(text) == mapped_words(without_marks(cleaned(text)), TABLES["vizwiz_curly"])


@pytest.mark.parametrize(("rules", "ours"), [(vqa_rules, vqa.accuracy), (m4c_rules, vqa.submitted_accuracy)])
def test_the_order_of_people_moves_nothing_but_the_last_bit(rules: object, ours: object) -> None:
    assert callable(rules)
    assert callable(ours)
    rng = random.Random(0)
    for _ in range(100):
        people = [rng.choice(["yes", "no", "2", "Two"]) for _ in range(10)]
        shuffled = rng.sample(people, 10)
        assert ours("two", people) == rules("two", people)
        assert ours("two", shuffled) == pytest.approx(ours("two", people), abs=1e-15)
