"""Words of a question: one tokenizer for every metric, and which words carry content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache

_TOKEN = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


FUNCTION_WORDS = _set(
    """a an the this that these those of in on at to for from with by and or is are was were do does did has have had
    be been being there it he she they his her their its what which who whom whose where when why how many much color
    kind type can could will would should not no any some as if"""
)
"""Words without content of their own."""
CANNOT_END = _set("a an the of and or his her their its any some what which how many with by from for")
"""A question that ends in one of these was cut off; stranded prepositions (``What is she looking at?``) are fine."""
_OF_ANY_IMAGE = _set("image picture photo shown color kind type many features following detailed describe scene")
_ENDINGS = ("ing", "es", "s", "ed")


@lru_cache(maxsize=65_536)
def tokens(text: str) -> tuple[str, ...]:
    """Lower-case words and numbers; an apostrophe stays inside its word."""
    return tuple(_TOKEN.findall(text.lower()))


def ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Runs of `n` words, in order."""
    return list(zip(*(words[i:] for i in range(n)), strict=False))


def content_words(text: str) -> list[str]:
    """Tokens that are no function words."""
    return [token for token in tokens(text) if token not in FUNCTION_WORDS]


def topic_words(text: str) -> list[str]:
    """Light stems of the words that can tell one image from another, of three letters or more."""
    common = _common()
    return [stem(token) for token in tokens(text) if len(token) > 2 and token not in common]


@cache
def _common() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return _OF_ANY_IMAGE | frozenset(map(str, ENGLISH_STOP_WORDS))


def stem(token: str) -> str:
    """The token without its first matching ending, if three letters remain."""
    for ending in _ENDINGS:
        if token.endswith(ending) and len(token) - len(ending) >= 3:
            return token[: -len(ending)]
    return token


def singular(token: str) -> str:
    """A regular English plural brought back: ``buses`` bus, ``knives`` knife, ``cats`` cat."""
    if token.endswith("ies") and len(token) > 4:
        return token[:-3] + "y"
    if token.endswith("ves") and len(token) > 4:
        return token[:-3] + ("fe" if token[:-3] in ("kni", "li", "wi") else "f")
    if token.endswith(("ses", "xes", "zes", "ches", "shes")):
        return token[:-2]
    return token[:-1] if token.endswith("s") and not token.endswith("ss") and len(token) > 3 else token
