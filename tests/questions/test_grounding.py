"""Group G: chance levels that are exact, and what a question takes for granted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqeval.questions.corruptions import hard_shuffle
from sqeval.questions.files import Asked, Context, ImageQuestions
from sqeval.questions.premises import Lexicon, false_premises
from sqeval.questions.relevance import Captions, relevance, shuffled_owners, threshold

LEXICON = Lexicon()


def image(name: str, *captions: str, objects: tuple[str, ...] | None = None) -> ImageQuestions:
    gen = {"sampling": "iid", "n": 1, "temperature": 1.0, "seed": 0}
    return ImageQuestions(
        "run", name, (Asked(f"run/{name}/0", "?"),), {"name": "m"}, gen, context=Context(captions, objects)
    )


def test_rauc_by_counting() -> None:
    similarities = np.array([[0.9, 0.1, 0.9, 0.5], [0.0, 0.0, 0.0, 0.0]])
    found = relevance(similarities, [0, 2])
    assert found.auc.tolist() == [(2 + 0.5) / 3, 0.5]
    assert found.margin.tolist() == pytest.approx([0.9 - 0.5, 0.0])


@given(st.integers(2, 12), st.integers(0, 5))
def test_over_all_owners_chance_is_one_half_exactly(images: int, seed: int) -> None:
    row = np.random.default_rng(seed).integers(0, 4, images).astype(float)
    found = relevance(np.tile(row, (images, 1)), list(range(images)))
    assert found.auc.mean() == pytest.approx(0.5)


@given(st.integers(2, 30), st.integers(0, 100))
def test_nobody_stays_at_home(images: int, seed: int) -> None:
    moved = shuffled_owners(range(images), images, seed)
    assert sorted(moved) == list(range(images))
    assert all(i != j for i, j in enumerate(moved))
    assert shuffled_owners([0, 0, 1], 2, seed) == [1, 1, 0]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60))
def test_the_threshold_is_the_smallest_that_few_reach(values: list[int]) -> None:
    floor = np.array(values, dtype=float) / 20
    found = threshold(floor, 0.05)
    assert (floor >= found).mean() <= 0.05
    lower = [value for value in np.unique(floor) if value < found]
    assert all((floor >= value).mean() > 0.05 for value in lower)


def test_a_hard_shuffle_moves_questions_to_like_images_and_loses_none() -> None:
    images = [image("a", objects=("cat",)), image("b", objects=("dog",)), image("c", objects=("cat",)), image("d")]
    moved = hard_shuffle(images)
    assert sorted(each.questions[0].qid for each in moved) == sorted(each.questions[0].qid for each in images)
    assert moved[2].questions == images[0].questions  # the other cat's
    assert all(a.questions != b.questions for a, b in zip(moved[:3], images[:3], strict=True))
    assert hard_shuffle(images, 0.0) == images


def test_captions_find_their_question() -> None:
    images = [
        image("a", "Two dogs run on a beach."),
        image("b", "A red train in a station."),
        image("c", "A plate of food."),
    ]
    questions = ["How many dogs are running?", "Is the train red?", "What is in the image?"]
    found = relevance(Captions().similarities(questions, images, [0, 1, 2]), [0, 1, 2])
    assert found.auc.tolist() == [1.0, 1.0, 0.5]
    assert Captions().knows(images[0])
    assert not Captions().knows(image("d"))


@pytest.mark.parametrize(
    ("question", "presupposed"),
    [
        ("What color is the dog?", ["dog"]),
        ("Is there a dog in the image?", []),
        ("Are there any dogs or cats?", []),
        ("Do you see a dog?", []),
        ("Is he holding a tennis racket?", []),
        ("Is the tennis racket on the table?", ["tennis racket", "dining table"]),
        ("What would happen if a dog came?", []),
        ("How many puppies are on the couch?", ["dog", "couch"]),
        ("What is the woman's bag made of?", ["person"]),
        ("Where are the knives?", ["knife"]),
        ("Is the cup orange?", ["cup"]),
        ("How many cases are orange?", []),
        ("Where is the orange cup?", ["cup"]),
        ("What is next to the orange?", ["orange"]),
        ("How many oranges are there?", ["orange"]),
    ],
)
def test_what_a_question_takes_for_granted(question: str, presupposed: list[str]) -> None:
    found = [mention.category for mention in LEXICON.mentions(question) if mention.presupposed]
    assert found == presupposed


def test_an_object_is_there_if_annotated_or_mentioned() -> None:
    context = Context(("A puppy on a sofa.",), ("chair",))
    assert false_premises("What color is the dog?", context, LEXICON) == []
    assert false_premises("What color is the armchair?", context, LEXICON) == []
    wrong = false_premises("Where is the cat?", context, LEXICON)
    assert wrong is not None
    assert [mention.category for mention in wrong] == ["cat"]
    assert false_premises("Is it day?", context, LEXICON) is None
    assert false_premises("Where is the cat?", Context(("A dog.",)), LEXICON) is None


def test_labels_of_the_run_join_the_lexicon() -> None:
    lexicon = Lexicon(["red star", "moon"])
    found = lexicon.mentions("What is to the left of the red star and the moons?")
    assert [mention.category for mention in found] == ["red star", "moon"]
