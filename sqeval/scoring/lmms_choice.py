"""How lmms-eval reads MMBench's answers without a language model.

Source: lmms-eval 0.7.3 (EvolvingLMMs-Lab/lmms-eval), `mmbench_evals.py` and, for what that cannot read,
`mcq_extract.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from sqeval.scoring.choice import NO_RESPONSE

LETTERS = "ABCDE"
"""The matcher looks for all five, whichever options there are."""
AROUND = (
    ("", "."), ("", ","), ("", ":"), ("", ")"), ("", ")."), ("(", ")"), ("(", ")."), (":", ""), (":", ","), (":", "."),
    (":", ")"), (":", ")."),
)  # fmt: skip
"""What a letter may stand between, by precedence."""
A_SENTENCE = 4
"""In so many words, an A by itself may be the article."""

PHRASES = (
    "the answer is", "answer is", "the correct answer is", "correct answer is", "the best answer is", "best answer is",
    "the correct option is", "correct option is", "the best option is", "best option is", "the choice is", "choice is",
    "the correct choice is", "correct choice is", "i choose", "i select", "i pick", "my answer is", "my choice is",
    "옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは",
)  # fmt: skip
_EDGES = (",", ".", "!", "?", ";", ":", "'", '"')


def matched(response: str, options: Mapping[str, str]) -> str | None:
    """The letter that stands alone or is marked, else the only option whose text is in the response; None if there is
    no such. `options` maps letters to texts; the letter need not be one of them."""
    text = response.strip()
    marked = None if NO_RESPONSE in response else _marked(text.split())
    return marked or _named(text.lower(), options)


def extracted(response: str, letters: Collection[str]) -> str | None:
    """The best guess where `matched` finds nothing: of all places where one of `letters` stands, the surest kind and of
    that the last; None if none stands anywhere.

    The first letter in the text is a word's initial as well as an answer: ``Cannot tell`` is C.
    """
    text = response.strip()
    for edge in _EDGES:
        text = text.strip(edge)
    if not text:
        return None
    padded = f" {text} "
    found = list(_places(padded, letters)) or [(0, padded.rfind(ch), ch) for ch in letters if ch in padded]
    return max(found, key=lambda place: place[:2])[2] if found else None


def _marked(words: list[str]) -> str | None:
    bare = [letter for letter in LETTERS if letter in words]
    if len(bare) == 1 and not (bare == ["A"] and len(words) >= A_SENTENCE):
        return bare[0]
    for before, after in AROUND:
        letters = [letter for letter in LETTERS if f"{before}{letter}{after}" in words]
        if len(letters) == 1:
            return letters[0]
    return None


def _named(text: str, options: Mapping[str, str]) -> str | None:
    letters = [letter for letter, option in options.items() if option.lower() in text]
    return letters[0] if len(letters) == 1 else None


def _places(padded: str, letters: Collection[str]) -> Iterator[tuple[int, int, str]]:
    """(sureness, position, letter) of every sign of an answer, in the original's order, which decides ties."""
    signs: list[tuple[int, Callable[[str], str]]] = [
        (6, lambda ch: f"({ch})"),
        (5, lambda ch: f"{ch}."),
        (4, lambda ch: f"{ch}:"),
        (3, lambda ch: f"{ch})"),
        (2, lambda ch: f"{ch} "),
    ]
    for sureness, sign in signs:
        yield from ((sureness, padded.rfind(sign(ch)), ch) for ch in letters if sign(ch) in padded)
    low = padded.lower()
    for phrase in PHRASES:
        if (start := low.find(phrase)) >= 0:
            places = ((padded.find(ch, start + len(phrase)), ch) for ch in letters)
            yield from ((7, place, ch) for place, ch in places if place >= 0)
    text = padded.strip()
    yield from ((10, 0, ch) for ch in letters if text.startswith(ch) and not text[1:2].isalpha())
    yield from ((9, len(padded) - 1, ch) for ch in letters if text.endswith(ch) and not text[-2:-1].isalpha())
