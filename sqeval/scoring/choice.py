"""Multiple choice: from a response to an option's letter, as the official evaluators read it."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SCIENCEQA_LETTERS = "ABCDE"
_ANSWER_IS = re.compile(r"The answer is ([A-Z]).")  # the final period is a wildcard in the official code as well

NO_RESPONSE = "Failed to obtain answer via API"
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_MARKS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_VERBOSE = re.compile(r"(?:correct\s+)?answer\s+is\s+\**([ABCD])\**", re.IGNORECASE)
_LAST_WORDS = 4

NONE_OF_THEM = "Z"
"""What MMBench's matcher returns for a refusal; it is no option and never right."""


def scienceqa_letter(response: str) -> str | None:
    """The letter that LLaVA's ScienceQA evaluation reads, or None where it says FAILED.

    Either the response is a letter A-E and nothing else, or it begins like ``B. ``, or it says ``The answer is B.``
    exactly once. Source: LLaVA, `eval_science_qa.py`; the last rule is ScienceQA's own.
    """
    if len(response) == 1 and response in _SCIENCEQA_LETTERS:
        return response
    if response[:1] in tuple(_SCIENCEQA_LETTERS) and response[1:3] == ". ":
        return response[0]
    found = _ANSWER_IS.findall(response)
    return found[0] if len(found) == 1 else None


def letter_index(letter: str | None, choices: int) -> int:
    """Position of a letter among the first `choices` letters of A-E; -1 if it is none of them."""
    return -1 if letter is None else _SCIENCEQA_LETTERS[:choices].find(letter)


def mmbench_letter(response: str, options: Mapping[str, str]) -> str | None:
    """The option that MMBench's matcher reads without a language model's help; None if it cannot tell.

    A letter counts if it is the only option's letter among the words and stands among the last four; then comes the
    phrase ``answer is B``; then the text of exactly one option. `options` maps letters to texts. Source: VLMEvalKit,
    `can_infer` as of 2026 (e8e78f0).
    """
    letter = _lone_letter(response, options, _LAST_WORDS)
    if letter is None and NO_RESPONSE not in response:
        phrase = _VERBOSE.search(response)
        letter = phrase[1].upper() if phrase and phrase[1].upper() in options else None
    if letter is None and len(response.lower()) <= 2 * sum(map(len, options.values())):
        letter = _lone_text(response, options)
    return letter


def mmbench_letter_2023(response: str, options: Mapping[str, str]) -> str | None:
    """The matcher of VLMEvalKit from late 2023 to mid-2025, of LLaVA-1.5's tables: the letter may stand anywhere,
    there is no phrase, and the option's text may be found in a response of any length."""
    return _lone_letter(response, options, None) or _lone_text(response, options)


def _lone_letter(response: str, options: Mapping[str, str], last: int | None) -> str | None:
    """The only option's letter among the words, if its first occurrence is one of the `last` words (None: anywhere)."""
    if NO_RESPONSE in response:
        return None
    if any(refusal in response for refusal in _REFUSALS):
        return NONE_OF_THEM
    words = response.translate(_MARKS).split()
    letters = [letter for letter in options if letter in words]
    if not letters and NONE_OF_THEM in words:
        return NONE_OF_THEM
    if len(letters) == 1 and (last is None or words.index(letters[0]) >= len(words) - last):
        return letters[0]
    return None


def _lone_text(response: str, options: Mapping[str, str]) -> str | None:
    """The only option whose text is part of the response, case aside."""
    text = response.lower()
    letters = [letter for letter, option in options.items() if option.lower() in text]
    return letters[0] if len(letters) == 1 else None
