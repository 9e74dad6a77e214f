"""Option parsers against the official evaluators' cases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sqeval.scoring import choice

GOLDEN = Path(__file__).parents[1] / "golden"
ANIMALS = {"A": "teddy bear", "B": "rabbit", "C": "cat", "D": "dog"}


@pytest.mark.parametrize(
    ("response", "choices", "parsed", "index"), json.loads((GOLDEN / "scienceqa_parse_cases.json").read_text())
)
def test_scienceqa(response: str, choices: int, parsed: str, index: int) -> None:
    letter = choice.scienceqa_letter(response)
    assert (letter or "FAILED") == parsed
    assert choice.letter_index(letter, choices) == index


@pytest.mark.parametrize(
    ("response", "options", "old", "current"), json.loads((GOLDEN / "mmbench_can_infer_cases.json").read_text())
)
def test_mmbench(response: str, options: dict[str, str], old: str | bool, current: str | bool) -> None:
    assert (choice.mmbench_letter_2023(response, options) or False) == old
    assert (choice.mmbench_letter(response, options) or False) == current


@pytest.mark.parametrize(
    ("response", "old", "current"),
    [
        ("B is what I would say", "B", None),  # six words, the letter is not among the last four
        ("I say B is right", "B", "B"),  # five words, the letter is the third last
        ("say B is right here", "B", "B"),  # the fourth last
        ("B is right over here", "B", None),  # the fifth last
        ("The correct answer is **c**, or A and B", None, "C"),
        ("The answer is E or A and B", None, None),
        ("answer is B", "B", "B"),
        ("It shows a small rabbit on a meadow that is full of flowers and butterflies", "B", None),  # too long
        ("cat", "C", "C"),
        ("", None, None),
    ],
)
def test_the_two_matchers_differ_where_the_rules_do(response: str, old: str | None, current: str | None) -> None:
    assert choice.mmbench_letter_2023(response, ANIMALS) == old
    assert choice.mmbench_letter(response, ANIMALS) == current
