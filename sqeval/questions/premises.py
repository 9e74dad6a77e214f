"""Group G, premises: objects that a question takes for granted, and that are not there.

CHAIR (Rohrbach et al. 2018) counts every object that a caption mentions. A question may mention an object in order to
ask whether it is there, and then presupposes nothing: such mentions are exempt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from sqeval.questions.files import Context
from sqeval.questions.words import FUNCTION_WORDS, singular, tokens

_EXISTENCE = re.compile(
    r"^(?:is|are|was|were) there\b|^(?:do|does|can|could) (?:you|we|one) see\b|^(?:is|are) any\b", re.I
)
_YES_NO = re.compile(r"^(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|might|may)\b", re.I)
_HYPOTHETICAL = re.compile(r"\b(?:might|could|would|may|if)\b", re.I)
_INDEFINITE = frozenset({"any", "another", "a", "an"})
_COLOUR = "orange"
_BEFORE_NOUNS = frozenset({"the", "an", "this", "that", "one", "of", "each", "every", "his", "her", "their"})
_REACH = 2
"""An indefinite article stands at most so many words before its noun."""


@dataclass(frozen=True, slots=True)
class Mention:
    """One object in a question."""

    category: str
    word: str
    presupposed: bool


class Lexicon:
    """Names of objects: COCO's 80 categories with our own list of synonyms, and whatever else is annotated in a run."""

    def __init__(self, labels: Iterable[str] = ()) -> None:
        self._categories = dict(_coco())
        for label in labels:
            name = " ".join(tokens(label))
            if name and name not in self._categories:
                self._categories[name] = name
        self._longest = max(len(name.split()) for name in self._categories)
        self.mentions = cache(self._mentions)
        """The objects that a text names, and whether it takes them for granted: (text) -> mentions, found once."""

    def category(self, label: str) -> str:
        """Of an annotated label."""
        name = " ".join(tokens(label))
        return self._categories.get(name, name)

    def _mentions(self, question: str) -> list[Mention]:
        """The longest names first."""
        words = tuple(word.removesuffix("'s") for word in tokens(question))
        exempt_all = bool(_EXISTENCE.match(question.strip()))
        unsure = bool(_YES_NO.match(question.strip()) or _HYPOTHETICAL.search(question))
        found: list[Mention] = []
        at = 0
        while at < len(words):
            name = self._name_at(words, at)
            if name is None:
                at += 1
                continue
            length = len(name.split())
            if name == _COLOUR and _is_colour(words, at):
                at += 1
                continue
            before = words[max(0, at - _REACH) : at]
            exempt = exempt_all or (unsure and not _INDEFINITE.isdisjoint(before))
            found.append(Mention(self._categories[name], " ".join(words[at : at + length]), not exempt))
            at += length
        return found

    def present(self, context: Context) -> set[str]:
        """Categories that are annotated or mentioned in a caption."""
        named = {mention.category for caption in context.captions for mention in self.mentions(caption)}
        return named | {self.category(label) for label in context.objects or ()}

    def _name_at(self, words: tuple[str, ...], at: int) -> str | None:
        """The longest name that starts at a word, which may be in the plural."""
        for length in range(min(self._longest, len(words) - at), 0, -1):
            *first, last = words[at : at + length]
            for form in (last, singular(last)):
                name = " ".join([*first, form])
                if name in self._categories:
                    return name
        return None


def _is_colour(words: tuple[str, ...], at: int) -> bool:
    """Whether ``orange`` is one: before a noun, or without an article (``the orange cup``, ``Is it orange?``)."""
    following = words[at + 1] if at + 1 < len(words) else None
    noun_follows = following is not None and following not in FUNCTION_WORDS
    return words[at] == _COLOUR and (noun_follows or not at or words[at - 1] not in _BEFORE_NOUNS)


def false_premises(question: str, context: Context, lexicon: Lexicon) -> list[Mention] | None:
    """The presupposed objects that the image does not hold.

    None if the question presupposes none of the lexicon's objects, or if nobody has annotated the image.
    """
    if context.objects is None:
        return None
    taken = [mention for mention in lexicon.mentions(question) if mention.presupposed]
    there = lexicon.present(context) if taken else set()
    return [mention for mention in taken if mention.category not in there] if taken else None


@cache
def _coco() -> dict[str, str]:
    """Category by name."""
    text = resources.files("sqeval.questions").joinpath("object_names.txt").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for line in filter(None, text.split("\n")):
        category, _, names = line.partition(":")
        found |= dict.fromkeys([category, *filter(None, map(str.strip, names.split(",")))], category)
    return found
