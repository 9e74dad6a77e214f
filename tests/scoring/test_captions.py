"""Caption scores: official results to the last digit, and the official scorers as an oracle on random captions."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from sqeval.errors import UserError
from sqeval.scoring import captions
from sqeval.stats.metric import Floats

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "captions_synth.json").read_text())
IMAGES = [str(number) for number in GOLDEN["image_order"]]
TOKENS: dict[str, str] = GOLDEN["tok_cands"]
REFERENCES: dict[str, list[str]] = GOLDEN["tok_refs"]

Scores = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def scores() -> Scores:
    """Everything from raw captions, Java included, as a run computes it."""
    raw: dict[str, list[str]] = {image: [] for image in IMAGES}
    for annotation in GOLDEN["annotations"]:
        raw[str(annotation["image_id"])].append(annotation["caption"])
    return captions.caption_scores({str(row["image_id"]): row["caption"] for row in GOLDEN["results"]}, raw)


def table(scores: Scores, names: Sequence[str]) -> Floats:
    return np.array([[scores[image][name] for name in names] for image in IMAGES])


@pytest.mark.parametrize("order", captions.BLEU_ORDERS)
def test_official_bleu(scores: Scores, order: int) -> None:
    sums = table(scores, captions.BLEU_SUMS)
    assert captions.bleu(order)(sums.sum(axis=0)) == GOLDEN["expected"][f"Bleu_{order}"]
    np.testing.assert_allclose(captions.bleu(order)(sums), GOLDEN["per_image"][f"Bleu_{order}"], rtol=1e-14)


def test_official_meteor(scores: Scores) -> None:
    sums = table(scores, captions.METEOR_SUMS)
    assert captions.meteor(sums.sum(axis=0)) == pytest.approx(GOLDEN["expected"]["METEOR"], rel=1e-14)
    np.testing.assert_allclose(captions.meteor(sums), GOLDEN["per_image"]["METEOR"], rtol=1e-14)


@pytest.mark.parametrize(("name", "official"), [("cider", "CIDEr"), ("rouge_l", "ROUGE_L")])
def test_official_means(scores: Scores, name: str, official: str) -> None:
    values = table(scores, [name])[:, 0]
    assert values.tolist() == GOLDEN["per_image"][official]
    assert np.mean(values) == GOLDEN["expected"][official]


words = st.lists(st.sampled_from(["a", "dog", "cat", "on", "the", "25\xa01/2"]), max_size=9).map(" ".join)
corpora = st.lists(st.tuples(words, st.lists(words, min_size=1, max_size=3)), min_size=1, max_size=5)


@given(corpora)
@settings(max_examples=60, deadline=None)
def test_the_official_scorers_agree_on_any_tokens(corpus: list[tuple[str, list[str]]]) -> None:
    texts = {image: references for image, (_, references) in enumerate(corpus)}
    said = {image: [candidate] for image, (candidate, _) in enumerate(corpus)}
    rows = [captions.token_scores(*pair) for pair in corpus]
    assert [row["rouge_l"] for row in rows] == Rouge().compute_score(texts, said)[1].tolist()
    sums = np.array([[row[name] for name in captions.BLEU_SUMS] for row in rows])
    official, _ = Bleu(4).compute_score(texts, said, verbose=0)
    for order in captions.BLEU_ORDERS:
        assert captions.bleu(order)(sums.sum(axis=0)) == pytest.approx(official[order - 1], rel=1e-12, abs=1e-300)


def test_bleu_and_meteor_take_many_sums_at_once(scores: Scores) -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 3, (4, 5, len(IMAGES))).astype(float)
    for function, names in ((captions.bleu(4), captions.BLEU_SUMS), (captions.meteor, captions.METEOR_SUMS)):
        sums = weights @ table(scores, names)
        assert function(sums).shape == (4, 5)
        assert function(sums)[2, 3] == function(sums[2, 3])


def test_cider_of_all_images_is_the_official_one() -> None:
    official, values = Cider().compute_score(REFERENCES, {image: [TOKENS[image]] for image in REFERENCES})
    found = captions.cider(TOKENS, REFERENCES)
    assert list(found.values()) == values.tolist()
    assert np.mean(list(found.values())) == official


def test_cider_of_some_images_keeps_the_frequencies_of_all() -> None:
    everything = captions.cider(TOKENS, REFERENCES)
    some = random.Random(0).sample(sorted(TOKENS), 7)
    found = captions.cider({image: TOKENS[image] for image in some}, REFERENCES)
    assert found == {image: everything[image] for image in some}
    alone = captions.cider({image: TOKENS[image] for image in some}, {image: REFERENCES[image] for image in some})
    assert alone != found


def test_references_score_best() -> None:
    found = captions.cider({image: REFERENCES[image][0] for image in IMAGES}, REFERENCES)
    mine = captions.cider(TOKENS, REFERENCES)
    assert 0 < np.mean(list(mine.values())) < np.mean(list(found.values())) <= 10
    same = captions.cider({image: REFERENCES[image][0] for image in IMAGES}, {i: [REFERENCES[i][0]] for i in IMAGES})
    by_length = {image: len(REFERENCES[image][0].split()) for image in IMAGES}
    assert all(value == pytest.approx(10) for image, value in same.items() if by_length[image] >= 4)
    assert captions.token_scores("a red dog runs", ["no", "a red dog runs"])["rouge_l"] == 1.0


def test_nothing_at_all() -> None:
    assert captions.caption_scores({}, {"1": ["a dog"]}) == {}
    with pytest.raises(UserError, match="no reference caption holds a word"):
        captions.cider({"1": "a dog"}, {"1": ["", " "]})
