"""Conversations as tokens: what is supervised, as what kind, and that drawing depends on seed, reading and sample."""

from __future__ import annotations

import random
from typing import Any

import pytest
import tiny_sqllava as tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from sqllava.conversation import Turn, template
from sqllava.training.conversations import Conversation, TrainingDataError
from sqllava.training.encode import ANSWER, QUESTION, Encoded, Encoder, self_question

PROCESSOR = tiny.processor()
TURNS = tuple(Turn(("user", "assistant")[i % 2], f"text {i}") for i in range(12))  # type: ignore[arg-type]
SAMPLE = Conversation("a", "x.png", TURNS)


def encoder(speech: str = "v1_sq", **overrides: Any) -> Encoder:
    given = {"sq_r": 0.5, "evaluation_share": 0.0, "sees_images": True, "seed": 3, "max_length": 1024}
    return Encoder(PROCESSOR, template(speech), evaluation=template("v1"), **{**given, **overrides})


def text_of(encoded: Encoded, kinds: set[int] | None = None) -> str:
    ids = [i for i, kind in zip(encoded.ids, encoded.kinds, strict=True) if kinds is None or kind in kinds]
    return str(tiny.tokenizer().decode(ids))


def test_self_questioning_spares_the_first_turn_and_every_answer() -> None:
    turns = self_question(TURNS, 1.0, random.Random(0))
    assert turns[0].role == "user"
    assert [t.role for t in turns[2::2]] == ["vuser"] * 5
    assert all(t.role == "assistant" for t in turns[1::2])
    assert self_question(TURNS, 0.0, random.Random(0)) == list(TURNS)


speech = st.text("abcdefgh ?.", min_size=1, max_size=12)


@given(st.lists(st.tuples(speech, speech), min_size=1, max_size=5), st.integers(0, 99), st.booleans())
@settings(max_examples=80, deadline=None)
def test_kinds_cover_exactly_the_answers_and_the_self_asked_questions(
    pairs: list[tuple[str, str]], reading: int, with_image: bool
) -> None:
    turns = tuple(t for q, a in pairs for t in (Turn("user", q), Turn("assistant", a)))
    encoded = encoder()(Conversation("a", "x.png" if with_image else None, turns), 0, reading)
    whole = text_of(encoded)
    # What was asked is read off the text itself: the draw is not repeated here.
    asked = [f" {part.split('</s>')[0]}</s>" for part in whole.split("VUSER: ")[1:]]
    assert text_of(encoded, {ANSWER}) == "".join(f" {answer}</s>" for _, answer in pairs)
    assert text_of(encoded, {QUESTION}) == "".join(asked)
    assert whole.count("VUSER:") + whole.count(" USER:") + whole.count("</s>USER:") == len(pairs)
    assert set(encoded.kinds) <= {0, ANSWER, QUESTION}
    if not with_image:
        assert not asked


def test_every_later_question_or_none() -> None:
    everything = encoder(sq_r=1.0)(SAMPLE, 0, 0)
    assert text_of(everything, {QUESTION}) == "".join(f" text {i}</s>" for i in range(2, 12, 2))
    assert text_of(encoder(sq_r=0.0)(SAMPLE, 0, 0), {QUESTION}) == ""


def test_drawing_depends_on_seed_reading_and_sample_alone() -> None:
    first, again = encoder(), encoder()
    again(SAMPLE, 8, 1)  # reading another sample before must not matter
    assert first(SAMPLE, 5, 0) == again(SAMPLE, 5, 0)
    draws = {tuple(first(SAMPLE, number, reading).kinds) for number in range(4) for reading in range(4)}
    assert len(draws) > 8
    assert len({tuple(encoder(seed=seed)(SAMPLE, 0, 0).kinds) for seed in range(8)}) > 3


def test_a_share_of_the_later_questions_are_the_models_own() -> None:
    encode = encoder(sq_r=0.3)
    asked = sum(text_of(encode(SAMPLE, i, 0)).count("VUSER:") for i in range(200))
    assert 0.25 < asked / (200 * 5) < 0.35


def test_a_share_is_rendered_for_evaluation() -> None:
    encode = encoder(sq_r=1.0, evaluation_share=0.2)
    plain = sum("VUSER:" not in text_of(encode(SAMPLE, i, 0)) for i in range(300))
    assert 0.13 < plain / 300 < 0.27
    sure = encoder(evaluation_share=1.0)(SAMPLE, 0, 0)
    assert text_of(sure).startswith("<s>" + template("v1").system + "USER:")


def test_text_only_samples_and_blind_models_have_no_image() -> None:
    without = Conversation("b", None, TURNS)
    assert encoder()(SAMPLE, 0, 0).ids.count(PROCESSOR.image_token_id) == 9
    assert encoder()(SAMPLE, 0, 0).image == "x.png"
    assert encoder()(without, 0, 0).image is None
    assert "VUSER:" not in text_of(encoder(sq_r=1.0)(without, 0, 0))
    blind = encoder(sees_images=False)
    assert blind(SAMPLE, 0, 0).image is None
    assert PROCESSOR.image_token_id not in blind(SAMPLE, 0, 0).ids
    # The control learns from the same turns.
    for reading in range(5):
        seeing = encoder()(SAMPLE, 0, reading)
        assert text_of(blind(SAMPLE, 0, reading), {QUESTION}) == text_of(seeing, {QUESTION})


def test_questions_given_as_the_models_own_are_always() -> None:
    turns = (Turn("vuser", "why"), Turn("assistant", "so"), Turn("vuser", "how"), Turn("assistant", "thus"))
    for image in ("x.png", None):
        encoded = encoder(sq_r=0.0)(Conversation("a", image, turns), 0, 0)
        assert text_of(encoded, {QUESTION}).replace(" ", "") == "why</s>how</s>"
    plain = text_of(encoder("v1")(Conversation("a", None, turns), 0, 0))
    assert plain.endswith("USER: why ASSISTANT: so</s>USER: how ASSISTANT: thus</s>")


def test_stage_one_learns_the_caption_alone() -> None:
    encoded = encoder("plain")(Conversation("a", "x.png", TURNS[:2]), 0, 0)
    assert text_of(encoded, {ANSWER}) == "text 1\n"
    assert encoded.kinds[:10] == [0] * 10


def test_long_samples_are_cut_on_the_right() -> None:
    for number in range(5):
        whole = encoder()(SAMPLE, number, 0)
        last = whole.ids.index(PROCESSOR.image_token_id) + 9
        for length in (last, last + 1, len(whole.ids) - 1, len(whole.ids)):
            cut = encoder(max_length=length)(SAMPLE, number, 0)
            assert cut.ids == whole.ids[:length]
            assert cut.kinds == whole.kinds[:length]
        with pytest.raises(TrainingDataError, match=rf"max_length: .* v1_sq it ends after {last}"):
            encoder(max_length=last - 1)(SAMPLE, number, 0)
