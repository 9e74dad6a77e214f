"""The release's caption evaluation: its cleaning by example, its scores against the official scorers."""

from __future__ import annotations

import random

import numpy as np
import pytest
from golden_captions import IMAGES, SAID, domain, references
from hypothesis import given
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider

from sqeval.java import find_java
from sqeval.scoring import captions
from sqeval.scoring.captions_java import METEOR_FIELDS, meteor_counts, tokenize
from sqeval.scoring.captions_release import CANDIDATE_WORDS, REFERENCE_WORDS, cleaned

LONG = " ".join(f"word{n}" for n in range(60))


@pytest.mark.parametrize(
    ("caption", "clean"),
    [
        ("A man's dog isn't here. It's (very) big!", "a man's dog isn't here it's very big"),
        ('"Stop"; #1 of *two*: left~right', "stop 1 of two left right"),
        ("Who? Me, you - and $5", "who? me, you - and $5"),  # these marks stay
        ("U.S. flag", "u s flag"),
        ("  two\t\t tabs \n", "two tabs"),
        ("...", ""),
        ("", ""),
    ],
)
def test_cleaning(caption: str, clean: str) -> None:
    assert cleaned(caption, CANDIDATE_WORDS) == clean


def test_the_end_of_long_captions_is_cut_off() -> None:
    assert cleaned(LONG, CANDIDATE_WORDS).split() == LONG.split()[:20]
    assert cleaned(LONG, REFERENCE_WORDS).split() == LONG.split()[:50]


@given(st.text(), st.integers(1, 60))
def test_cleaning_twice_is_cleaning_once(caption: str, words: int) -> None:
    once = cleaned(caption, words)
    assert cleaned(once, words) == once
    assert len(once.split(" ")) <= words


@pytest.fixture(scope="module")
def scores() -> dict[str, dict[str, float]]:
    """Of the golden captions, every fourth of them far too long."""
    said = {image: text if i % 4 else f"{text} {LONG}" for i, (image, text) in enumerate(SAID.items())}
    return captions.caption_scores(said, references(), groups={image: domain(image) for image in IMAGES})


def tokens(texts: list[str]) -> list[str]:
    return tokenize(texts, find_java())


def official(clean: bool) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Tokens of references and of candidates, as pycocoevalcap's scorers take them."""
    said = [text if i % 4 else f"{text} {LONG}" for i, text in enumerate(SAID.values())]
    flat = [text for known in references().values() for text in known]
    if clean:
        said, flat = [cleaned(text, 20) for text in said], [cleaned(text, 50) for text in flat]
    every = iter(tokens(flat))
    known = {image: [next(every) for _ in texts] for image, texts in references().items()}
    return known, {image: [text] for image, text in zip(SAID, tokens(said), strict=True)}


@pytest.mark.parametrize(("name", "clean"), [("cider_own_idf", False), ("release_cider", True)])
def test_cider_of_each_group_alone(scores: dict[str, dict[str, float]], name: str, clean: bool) -> None:
    known, said = official(clean)
    for group in {domain(image) for image in IMAGES}:
        members = [image for image in IMAGES if domain(image) == group]
        some = ({image: texts[image] for image in members} for texts in (known, said))
        value, each = Cider().compute_score(*some)
        assert [scores[image][name] for image in members] == each.tolist()
        assert np.mean([scores[image][name] for image in members]) == value


def test_bleu_of_cleaned_captions(scores: dict[str, dict[str, float]]) -> None:
    value, _ = Bleu(4).compute_score(*official(clean=True), verbose=0)
    for prefix, same in (("release_", True), ("", False)):
        sums = np.array([[scores[image][prefix + name] for name in captions.BLEU_SUMS] for image in IMAGES])
        found = [float(captions.bleu(order)(sums.sum(axis=0))) for order in captions.BLEU_ORDERS]
        assert (found == pytest.approx(value, rel=1e-12)) == same


@pytest.mark.slow
def test_meteor_of_cleaned_captions(scores: dict[str, dict[str, float]]) -> None:
    known, said = official(clean=True)
    counts = meteor_counts([said[image][0] for image in IMAGES], [known[image] for image in IMAGES], find_java())
    found = [[scores[image][f"release_{name}"] for name in captions.METEOR_SUMS] for image in IMAGES]
    assert found == captions.meteor_sums(counts).tolist()


def test_without_groups_the_frequencies_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captions, "meteor_counts", lambda said, *_: np.zeros((len(said), METEOR_FIELDS)))
    asked = random.Random(0).sample(IMAGES, 5)
    some = {image: SAID[image] for image in IMAGES if image in asked}
    found = captions.caption_scores(some, references())
    known = [cleaned(text, REFERENCE_WORDS) for texts in references().values() for text in texts]
    every = iter(tokens(known))
    refs = {image: [next(every) for _ in texts] for image, texts in references().items()}
    said = dict(zip(some, tokens([cleaned(text, CANDIDATE_WORDS) for text in some.values()]), strict=True))
    assert {image: row["release_cider"] for image, row in found.items()} == captions.cider(said, refs)
    assert not any("own_idf" in name or "spice" in name or name == "release_rouge_l" for name in found[asked[0]])
