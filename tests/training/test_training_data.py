"""Training data: what is read, what is supervised, and that drawing depends on seed, epoch and sample alone."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import tiny_sqllava as tiny

from sqllava.conversation import Turn, template
from sqllava.training.data import (
    Conversation,
    Encoder,
    TrainingDataError,
    draw_batches,
    read_conversations,
    self_question,
)

TURNS = tuple(Turn(("user", "assistant")[i % 2], f"text {i}") for i in range(12))


def encoder(**overrides: Any) -> Encoder:
    settings = {"sq_r": 0.5, "evaluation_share": 0.0, "sees_images": True, "seed": 3, "max_length": 1024}
    return Encoder(tiny.processor(), template("v1_sq"), evaluation=template("v1"), **{**settings, **overrides})


def text_of(encoded: Any, *, supervised: bool) -> str:
    ids = [i for i, s in zip(encoded.ids, encoded.supervised, strict=True) if s or not supervised]
    text: str = tiny.tokenizer().decode(ids)
    return text


def test_self_questioning_spares_the_first_turn_and_every_answer() -> None:
    turns = self_question(TURNS, 1.0, random.Random(0))
    assert turns[0].role == "user"
    assert [t.role for t in turns[2::2]] == ["vuser"] * 5
    assert all(t.role == "assistant" for t in turns[1::2])
    assert self_question(TURNS, 0.0, random.Random(0)) == list(TURNS)


def test_questions_and_answers_are_supervised_as_drawn() -> None:
    sample = Conversation("a", "x.png", TURNS)
    everything = text_of(encoder(sq_r=1.0)(sample, 0, 0), supervised=True)
    assert "text 0" not in everything
    assert all(f"text {i}" in everything for i in range(1, 12))
    answers = text_of(encoder(sq_r=0.0)(sample, 0, 0), supervised=True)
    assert [f"text {i}" in answers for i in range(12)] == [False, True] * 6


def test_drawing_depends_on_seed_epoch_and_sample_alone() -> None:
    sample = Conversation("a", "x.png", TURNS)
    first, again = encoder(), encoder()
    again(sample, 8, 1)  # reading another sample before must not matter
    assert first(sample, 5, 0) == again(sample, 5, 0)
    draws = {tuple(first(sample, index, epoch).supervised) for index in range(4) for epoch in range(4)}
    assert len(draws) > 8


def test_half_of_the_later_questions_are_the_models_own() -> None:
    sample = Conversation("a", "x.png", TURNS)
    encode = encoder(sq_r=0.3)
    asked = sum(text_of(encode(sample, i, 0), supervised=False).count("VUSER:") for i in range(200))
    assert 0.25 < asked / (200 * 5) < 0.35


def test_text_only_samples_and_blind_models_have_no_image() -> None:
    image_id = tiny.processor().image_token_id
    with_image, without = Conversation("a", "x.png", TURNS), Conversation("b", None, TURNS)
    assert encoder()(with_image, 0, 0).ids.count(image_id) == 9
    assert encoder()(without, 0, 0).image is None
    assert "VUSER:" not in text_of(encoder(sq_r=1.0)(without, 0, 0), supervised=False)
    blind = encoder(sees_images=False)(with_image, 0, 0)
    assert blind.image is None
    assert image_id not in blind.ids


def test_long_samples_are_cut_on_the_right() -> None:
    sample = Conversation("a", "x.png", TURNS)
    whole, cut = encoder()(sample, 0, 0), encoder(max_length=50)(sample, 0, 0)
    assert cut.ids == whole.ids[:50]
    assert cut.supervised == whole.supervised[:50]


def test_batches_hold_one_modality_and_every_sample_at_most_once() -> None:
    samples = [Conversation(str(i), "x.png" if i % 3 else None, TURNS[: 2 + i % 8 // 2 * 2]) for i in range(103)]
    batches = draw_batches(samples, 4, seed=0, epoch=0)
    used = [i for batch in batches for i in batch]
    assert len(used) == len(set(used)) >= 103 - 6
    assert all(len({samples[i].image is None for i in batch}) == 1 for batch in batches)
    assert batches == draw_batches(samples, 4, seed=0, epoch=0)
    assert batches != draw_batches(samples, 4, seed=0, epoch=1)


@pytest.mark.parametrize(
    ("sample", "named"),
    [
        ({"id": "a"}, "conversations"),
        ({"conversations": [{"from": "gpt", "value": "x"}]}, r"conversations\[0\]: expected a text from 'human'"),
        ({"conversations": [{"from": "human", "value": 3}]}, r"conversations\[0\]"),
        ({"image": "../x.png", "conversations": [{"from": "human", "value": "x"}]}, "inside the data root"),
    ],
)
def test_bad_samples_are_named(tmp_path: Path, sample: dict[str, Any], named: str) -> None:
    path = tmp_path / "train.json"
    good = {"conversations": [{"from": "human", "value": "x"}, {"from": "gpt", "value": "y"}]}
    path.write_text(json.dumps([good, sample]), encoding="utf-8")
    with pytest.raises(TrainingDataError, match=f"sample 1: .*{named}"):
        read_conversations(path)


def test_the_image_placeholder_is_moved_by_the_template(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    turns = [{"from": "human", "value": "What is it?\n<image>"}, {"from": "gpt", "value": "A star."}]
    path.write_text(json.dumps([{"id": "a", "image": "x.png", "conversations": turns}]), encoding="utf-8")
    (sample,) = read_conversations(path)
    assert "USER: <image>\nWhat is it? ASSISTANT: A star.</s>" in template("v1").render(sample.turns, image=True).text
