"""Group R: likeness to people's questions, opt-in."""

from __future__ import annotations

import pytest
from pycocoevalcap.rouge.rouge import Rouge

from sqeval.questions.diversity import bleu_4
from sqeval.questions.files import Asked, Context, ImageQuestions
from sqeval.questions.overlap import rouge_l
from sqeval.questions.summary import summarise
from sqeval.questions.table import Setup, build

GEN = {"sampling": "iid", "n": 2, "temperature": 1.0, "seed": 0}


def image(name: str, asked: list[str], wanted: list[str]) -> ImageQuestions:
    questions = tuple(Asked(f"r/{name}/{i}", text) for i, text in enumerate(asked))
    return ImageQuestions("r", name, questions, {"name": "m"}, GEN, context=Context(ref_questions=tuple(wanted)))


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("what is the dog doing", "what is the big dog doing"), ("a b c d", "d c b a"), ("one", "one"), ("x y", "z")],
)
def test_rouge_is_the_captioning_evaluators(said: str, wanted: str) -> None:
    assert rouge_l(said.split(), wanted.split()) == pytest.approx(Rouge().calc_score([said], [wanted]))


def test_bleu_of_a_copy_is_one() -> None:
    assert bleu_4(["what", "is", "the", "dog"], [["who", "is", "it"], ["what", "is", "the", "dog"]]) == pytest.approx(1)


def test_only_where_it_is_asked_for_and_never_in_the_headline() -> None:
    images = [
        image(
            "a", ["What is the dog doing?", "Is it day?"], ["What is the dog doing?", "Where is the red ball lying?"]
        ),
        image("b", ["How many cars are there?", "Is it night?"], ["How many cars are there now?"]),
        image("c", ["What color is the bus?", "Who is driving?"], []),
    ]
    with_refs = summarise(build(images, Setup(tier=0, k=2, references=True))).values
    without = summarise(build(images, Setup(tier=0, k=2))).values
    assert with_refs["uq.at_k"] == without["uq.at_k"]
    assert without["rf.rouge_l"].reason == "needs --refs"
    assert without["rf.recall"].reason == "needs --refs"
    assert with_refs["rf.rouge_l"].used == 4
    rows = build(images, Setup(tier=0, k=2, references=True)).rows
    assert rows[0].values["rf.rouge_l"] == rows[0].values["rf.bleu_4"] == 1
    assert (rows[0].values["rf.cider"] or 0) > (rows[1].values["rf.cider"] or 0)
    assert "rf.rouge_l" not in rows[4].values
    assert 0.5 < (with_refs["rf.recall"].value or 0) < 1
