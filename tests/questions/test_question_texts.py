"""Groups W and D: closed forms, and sizes that must not matter."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from sqeval.questions import diversity, wellformed
from sqeval.questions.fluency import Fluency, Trigram, reference_questions, sentence
from sqeval.questions.normalise import normalise
from sqeval.questions.rarefaction import effective_number, expected_kinds, rarefied_distinct
from sqeval.questions.words import tokens

PEOPLE = reference_questions()


def test_reference_questions_are_whole_and_different() -> None:
    assert len(PEOPLE) == len(set(PEOPLE)) >= 300
    assert not [question for question in PEOPLE if wellformed.problems(normalise(question))]
    assert np.mean([wellformed.complete(normalise(question)) for question in PEOPLE]) > 0.95


def test_the_language_model_is_a_distribution() -> None:
    model = Trigram(sentence(question) for question in PEOPLE)
    for before in [("<s>", "<s>"), ("what", "is"), ("never", "seen"), ("is", "never")]:
        assert sum(model.probability(word, before) for word in model.vocabulary) == pytest.approx(1.0)


def test_people_pass_and_word_salad_does_not() -> None:
    half = Fluency(PEOPLE[::2])
    held_out = PEOPLE[1::2]
    rng = np.random.default_rng(0)
    salad = [" ".join(rng.permutation(question.rstrip("?").split())) + "?" for question in held_out]
    assert np.mean([half.fluent(question) for question in held_out]) > 0.85
    assert np.mean([half.fluent(question) for question in salad]) < 0.25
    assert half.slor("What color is the dog") == half.slor("What color is the dog?")


@pytest.mark.parametrize(
    ("text", "reason", "problem"),
    [
        ("", "stop", "empty"),
        ("12?", "stop", "no_letters"),
        ("What is it? USER: next", "stop", "role_leak"),
        ("What is in the", "length", "truncated"),
        ("word " * 65 + "?", "stop", "too_long"),
        ("is it red is it red is it red?", "stop", "loop"),
        ("What is \ufffd here?", "stop", "mojibake"),
    ],
)
def test_invalid_texts(text: str, reason: str, problem: str) -> None:
    assert problem in wellformed.problems(normalise(text), reason)
    assert wellformed.problems(normalise("What is the dog doing?")) == []


def test_complete_questions() -> None:
    assert wellformed.complete(normalise("What is she looking at?"))
    assert not wellformed.complete(normalise("What is the color of the"))
    assert not wellformed.complete(normalise("What is it?"))
    assert wellformed.repetition(normalise("a b c d a b c d")) == pytest.approx(1 - 4 / 5)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.data())
def test_expected_kinds_is_the_mean_over_all_draws(counts: list[int], data: st.DataObject) -> None:
    m = data.draw(st.integers(1, min(5, sum(counts))))
    population = [kind for kind, count in enumerate(counts) for _ in range(count)]
    draws = [len({population[i] for i in rows}) for rows in combinations(range(len(population)), m)]
    assert expected_kinds(counts, m) == pytest.approx(np.mean(draws))


def test_rarefied_distinct_at_full_size_is_distinct_n() -> None:
    texts = ["what is it", "what is that", "who is it"]
    grams = [gram for text in texts for gram in zip(*(tokens(text)[i:] for i in range(2)), strict=False)]
    assert rarefied_distinct(texts, 2, len(grams)) == pytest.approx(len(set(grams)) / len(grams))
    assert rarefied_distinct(["a b"] * 300, 2, 200) == pytest.approx(1 / 200)
    assert rarefied_distinct(texts, 2, 200) is None


def test_the_number_of_questions_does_not_change_diversity() -> None:
    """Distinct-2 falls to less than half on the same source; what is measured at a fixed size stays where it is."""
    rng = np.random.default_rng(0)
    few, many = ([PEOPLE[i] for i in rng.integers(len(PEOPLE), size=n)] for n in (150, 3_000))

    def distinct(texts: list[str]) -> float:
        grams = [gram for text in texts for gram in zip(tokens(text), tokens(text)[1:], strict=False)]
        return len(set(grams)) / len(grams)

    assert distinct(few) > 2 * distinct(many)
    for measure in (lambda t: rarefied_distinct(t, 2, 200), diversity.vendi_at, diversity.self_bleu):
        assert measure(few) == pytest.approx(measure(many), rel=0.25)


def test_effective_number() -> None:
    n = 400
    assert effective_number(["a", "b", "c", "d"] * (n // 4)) == pytest.approx(4 * math.exp(3 / (2 * n)))
    assert effective_number([]) is None


def test_vendi_counts_what_is_different() -> None:
    assert diversity.vendi(np.eye(7)) == pytest.approx(7)
    assert diversity.vendi(np.ones((5, 5))) == pytest.approx(1)
    assert diversity.vendi(np.kron(np.eye(3), np.ones((4, 4)))) == pytest.approx(3)


def test_self_cider_of_copies_and_of_strangers() -> None:
    assert diversity.self_cider(["a b c d e"] * 4) == pytest.approx(0, abs=1e-6)
    assert diversity.self_cider(["a b", "c d", "e f", "g h"]) == pytest.approx(1)
    assert diversity.self_cider(["alone"]) is None


def test_the_small_kernel_is_scikit_learn_s() -> None:
    texts = ["is the red dog red", "the dog is big", "who sits there", "the the the"]
    vectors = TfidfVectorizer(analyzer=tokens, sublinear_tf=True).fit_transform(texts)
    found = diversity._small_kernel([tokens(text) for text in texts], idf=True)
    np.testing.assert_allclose(found, (vectors @ vectors.T).toarray(), atol=1e-12)


def test_self_bleu_by_hand() -> None:
    copies = diversity.self_bleu(["what is the dog doing now"] * 60)
    assert copies == pytest.approx(1.0)
    apart = [f"w{i}a w{i}b w{i}c w{i}d" for i in range(60)]
    expected = math.exp(sum(math.log(0.1 / n) for n in (4, 3, 2, 1)) / 4)
    assert diversity.self_bleu(apart) == pytest.approx(expected)


def test_paraphrases_are_one_class_and_templates_are_many() -> None:
    same = ["What color is the car?", "What is the color of the car?", "What is the car's color?"]
    assert diversity.classes(same) == [0, 0, 0]
    assert diversity.classes([f"What color is the {thing}?" for thing in ("car", "dog", "tree")]) == [0, 1, 2]
    assert diversity.classes(["How many dogs are there?", "Where are the dogs?"]) == [0, 1]
    assert diversity.classes(["What is it?", "What is it?", "Is it?"])[:2] == [0, 0]


def test_generic_questions_and_duplicates() -> None:
    by_image = [["What is it?", f"Is thing {i} red?"] for i in range(10)]
    assert diversity.generic(by_image) == pytest.approx(0.5)
    assert diversity.duplicates(["a b", "A b?", "c"]) == pytest.approx(1 / 3)


def test_topics_are_few_in_a_narrow_run() -> None:
    pool = PEOPLE * 2
    narrow = [q for q in PEOPLE if q.startswith("What color")]
    wide = diversity.topic_coverage(PEOPLE, pool, topics=20, seeds=2)
    few = diversity.topic_coverage(narrow, pool, topics=20, seeds=2)
    assert wide is not None
    assert few is not None
    assert few < wide / 2
    assert Counter(map(type, (wide, few))) == {float: 2}
