"""`sqllava.load`: what it answers is what the engine and transformers answer, whatever it is handed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

import sqllava
from sqllava.conversation import TEMPLATES, Turn

QUESTIONS = ("What color is the square?", "Is there a square in the image?", "How many objects are there?")


def square(color: str) -> Image.Image:
    picture = Image.new("RGB", (96, 96), "white")
    picture.paste(color, (30, 30, 60, 60))
    return picture


@pytest.fixture(scope="module")
def vlm() -> sqllava.SqLlava:
    return sqllava.load("mini", device="cpu")


def by_transformers(vlm: sqllava.SqLlava, picture: Image.Image, question: str) -> str:
    """The same question alone, by `generate`."""
    model, processor = vlm
    prompt = TEMPLATES[model.config.conversation_template].prompt([Turn("user", question)], image=True)
    inputs = processor(text=prompt, images=picture, return_tensors="pt")
    with torch.inference_mode():
        tokens = model.generate(**inputs, max_new_tokens=128, do_sample=False)
    said = tokens[0, inputs["input_ids"].shape[1] :]
    return str(processor.tokenizer.decode(said, skip_special_tokens=True)).strip()


def test_is_the_pair_of_model_and_processor(vlm: sqllava.SqLlava) -> None:
    model, processor = vlm
    assert (model, processor) == (vlm.model, vlm.processor)
    assert isinstance(model, sqllava.SqLlavaForConditionalGeneration)
    assert isinstance(processor, sqllava.SqLlavaProcessor)


def test_answers_as_generate_does(vlm: sqllava.SqLlava) -> None:
    red, blue = square("red"), square("blue")
    expected = [[by_transformers(vlm, picture, question) for question in QUESTIONS] for picture in (red, blue)]
    assert vlm.answer([red, blue], QUESTIONS) == expected
    assert vlm.answer(red, QUESTIONS) == expected[0]
    assert vlm.answer([red, blue], QUESTIONS[0]) == [expected[0][0], expected[1][0]]
    assert vlm.answer(blue, QUESTIONS[0]) == expected[1][0]
    assert expected[0][0] != expected[1][0]


def test_questions_about_an_image_share_it(vlm: sqllava.SqLlava) -> None:
    before = vlm.engine.stats.images
    vlm.answer(square("green"), QUESTIONS)
    assert vlm.engine.stats.images == before + 1


def test_takes_files(vlm: sqllava.SqLlava, tmp_path: Path) -> None:
    square("red").save(tmp_path / "red.png")
    expected = vlm.answer(square("red"), QUESTIONS)
    assert vlm.answer(tmp_path / "red.png", QUESTIONS) == vlm.answer(str(tmp_path / "red.png"), QUESTIONS) == expected


def test_asks_as_the_function_does(vlm: sqllava.SqLlava) -> None:
    pictures = [square("red"), square("blue")]
    asked = vlm.ask(pictures[0], n=3, seed=7)
    assert asked == sqllava.ask(vlm.model, vlm.processor, pictures[0], n=3, seed=7)
    assert [len(each) for each in vlm.ask(pictures, 2, answer=False)] == [2, 2]
    assert {each.answer for each in vlm.ask(pictures[1], 2, answer=False)} == {""}


def test_a_question_about_no_image(vlm: sqllava.SqLlava) -> None:
    assert isinstance(vlm.answer(None, "What color is the sky?"), str)


def test_drawn_answers_are_the_seed_s(vlm: sqllava.SqLlava) -> None:
    draws = [vlm.answer([square("red")] * 8, QUESTIONS, temperature=5.0, seed=seed) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_what_it_cannot_do_is_said(vlm: sqllava.SqLlava, tmp_path: Path) -> None:
    with pytest.raises(sqllava.SqLlavaError, match=r"none\.png cannot be opened"):
        vlm.answer(tmp_path / "none.png", "What?")
    with pytest.raises(sqllava.SqLlavaError, match=r"none\.png cannot be opened"):
        vlm.ask(tmp_path / "none.png")
    with pytest.raises(sqllava.SqLlavaError, match="temperature"):
        vlm.answer(square("red"), "What?", temperature=-1.0)
    with pytest.raises(sqllava.SqLlavaError, match="context"):
        vlm.answer(square("red"), "what " * 5000)
    with pytest.raises(sqllava.SqLlavaError, match="blind control"):
        sqllava.load("mini-blind", device="cpu").ask(square("red"))


def test_says_what_it_is(vlm: sqllava.SqLlava) -> None:
    size = sum(each.numel() for each in vlm.model.parameters())
    assert repr(vlm) == f"<SqLlava of {size:,} parameters, float32 on cpu>"
