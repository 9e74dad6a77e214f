"""What a text asks, without the format around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqeval.questions.normalise import SUFFIXES, Act, normalise
from sqeval.questions.taxonomy import NO_PREFIX, PREFIXES, classify, kind_of, vqa_prefix

PLAIN = "What is the dog doing?"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("between", ["\n", " "])
def test_format_prompts_leave_no_trace(suffix: str, between: str) -> None:
    changed = normalise(f"{PLAIN}{between}{suffix.capitalize()}")
    clean = normalise(PLAIN)
    assert (changed.core, changed.bare, changed.act) == (clean.core, clean.bare, clean.act)
    assert changed.format_suffix.lower() == suffix


@pytest.mark.parametrize(
    "wrapped",
    [
        "Can you tell me what is the dog doing?",
        "Could you please tell me what is the dog doing?",
        "In the image, what is the dog doing?",
        "Looking at the picture, can you tell me what is the dog doing?",
        "Do you know what is the dog doing?",
    ],
)
def test_politeness_is_taken_off_for_types(wrapped: str) -> None:
    assert normalise(wrapped).bare == "what is the dog doing?"
    assert kind_of(normalise(wrapped)) == ("action", "perception")


def test_a_short_question_keeps_its_politeness() -> None:
    assert normalise("Can you describe it?").bare == "Can you describe it?"


def test_options_are_set_apart() -> None:
    asked = normalise(
        "Which pet is it?\nA. cat\nB. dog\nAnswer with the option's letter from the given choices directly."
    )
    assert (asked.core, asked.options, asked.act) == ("Which pet is it?", ("cat", "dog"), Act.CHOICE)
    assert kind_of(asked) == ("multiple_choice", "format")


def test_a_single_letter_is_no_option() -> None:
    assert normalise("Who is it?\nA. Smith").options == ()


@pytest.mark.parametrize(
    ("text", "act"),
    [
        (PLAIN, Act.INTERROGATIVE),
        ("Describe the image in detail.", Act.IMPERATIVE),
        (
            "Please provide the bounding box coordinate of the region this sentence describes: a barbed wire fence.",
            Act.IMPERATIVE,
        ),
        ("A white steer in a field.", Act.REFERRING),
        ("The dog is brown.", Act.STATEMENT),
        ("   ", Act.EMPTY),
        ("?!", Act.EMPTY),
    ],
)
def test_acts(text: str, act: Act) -> None:
    assert normalise(text).act is act


def test_a_leaked_turn_is_cut_off_and_flagged() -> None:
    asked = normalise("What is it? ASSISTANT: a dog</s>")
    assert asked.core == "What is it?"
    assert "role_leak" in asked.flags
    assert "non_english" in normalise("这是什么颜色的狗？").flags
    assert "mojibake" in normalise("What is \ufffd?").flags


@given(st.text(max_size=120))
def test_any_text_is_taken_apart_and_nothing_is_left_to_take(text: str) -> None:
    asked = normalise(text)
    again = normalise(asked.core)
    assert asked.raw == text
    assert again.format_suffix == ""
    assert "role_leak" not in again.flags


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("How many dogs are there?", "count"),
        ("What color is the dog?", "color"),
        ("What does the sign say?", "text_ocr"),
        ("Is there a dog?", "existence"),
        ("Where is the dog?", "location"),
        ("What is the dog doing?", "action"),
        ("Is the dog brown?", "verify_yesno"),
        ("Why is the dog wet?", "why_purpose"),
        ("What might happen next?", "hypothetical_predict"),
        ("Describe the image.", "describe"),
        ("When was it taken?", "when_time"),
    ],
)
def test_types(text: str, kind: str) -> None:
    assert classify(text)[0] == kind


def test_the_longest_of_vqa_s_prefixes_wins() -> None:
    assert len(PREFIXES) == 64
    assert vqa_prefix("How many people are in the picture?") == "how many people are in"
    assert vqa_prefix("How many peoples?") == "how many"
    assert vqa_prefix("Isthmus or island?") == NO_PREFIX
