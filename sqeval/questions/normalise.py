"""What a text asks, without the format around it.

Models trained on LLaVA's mixture end questions with format prompts, list options, and ask in the imperative. One such
suffix halves distinct-2, so every metric sees the normalised text; the raw one is kept.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from sqeval.questions.words import tokens


class Act(StrEnum):
    """What kind of utterance a text is; well-formedness is judged by kind."""

    INTERROGATIVE = "interrogative"
    IMPERATIVE = "imperative"
    REFERRING = "referring_phrase"
    CHOICE = "multiple_choice"
    STATEMENT = "statement"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Normal:
    """A question as the metrics see it."""

    raw: str
    core: str
    """Without format prompts, options and leaked turns."""
    bare: str
    """`core` without politeness and preamble, for types and diversity."""
    act: Act
    flags: tuple[str, ...] = ()
    """``role_leak``, ``non_english``, ``mojibake``."""
    options: tuple[str, ...] = ()
    format_suffix: str = ""


_ROLES = re.compile(r"\b(?:V?USER|ASSISTANT):|</s>|###")
_SPACE = re.compile(r"[^\S\n]+")
_OPTION = re.compile(r"^\s*\(?([A-H])[.):]\s+(.+)$", re.MULTILINE)
SUFFIXES = (
    "answer the question using a single word or phrase.",
    "answer the question using a single word or phrase",
    "answer with the option's letter from the given choices directly.",
    "answer with the option's letter from the given choices directly",
    "provide a one-sentence caption for the provided image.",
    "provide a short description for this region.",
    "when the provided information is insufficient, respond with 'unanswerable'.",
)
"""Format prompts of LLaVA's data."""
_OCR = re.compile(r"\s*Reference OCR token:.*$", re.IGNORECASE | re.DOTALL)
_PREAMBLES = (
    re.compile(r"^(?:based on|considering|looking at|given|in|from) (?:the|this) (?:image|picture|photo),? ", re.I),
    re.compile(r"^(?:can|could|would|will) you (?:please )?(?:tell me|identify|say|explain|describe) ", re.I),
    re.compile(r"^please (?:tell me )?", re.I),
    re.compile(r"^do you know ", re.I),
)
_IMPERATIVE = re.compile(
    r"^(?:please )?(?:describe|analy[sz]e|explain|elaborate|summari[sz]e|write|give|provide|offer|narrate|characterize|"
    r"identify|list|name|tell|count|compare|discuss|imagine|generate|create|find|show|point|answer|guess|read|classify)\b",
    re.I,
)
_REFERRING = re.compile(r"^(?:a|an|the|two|three|several|some)\b", re.I)
_VERB = re.compile(r"\b(?:is|are|was|were|has|have|does|do|can|will|would|should)\b", re.I)
_ENGLISH = 0.7
_LEAST_BARE = 3


def normalise(raw: str, suffixes: tuple[str, ...] = ()) -> Normal:
    """Take a model's text apart; `suffixes` are format prompts besides `SUFFIXES`, in lower case."""
    text = unicodedata.normalize("NFKC", raw).replace("<image>", " ")
    text = "\n".join(_SPACE.sub(" ", line).strip() for line in text.split("\n")).strip()
    flags = ["mojibake"] if "\ufffd" in text else []
    leak = _ROLES.search(text)
    if leak is not None:
        flags.append("role_leak")
        text = text[: leak.start()].strip()
    core, suffix = _without_suffix(text, (*SUFFIXES, *suffixes))
    options = _options(core)
    if options:
        core, more = _without_suffix(core[: _first_option(core)].strip(), (*SUFFIXES, *suffixes))
        suffix = suffix or more
    core = " ".join(core.split())
    if _is_foreign(core):
        flags.append("non_english")
    return Normal(raw, core, _bare(core), _act(core, bool(options)), tuple(flags), options, suffix)


def _without_suffix(text: str, suffixes: tuple[str, ...]) -> tuple[str, str]:
    cut = _OCR.search(text)
    found = [] if cut is None else [text[cut.start() :].strip()]
    text = text if cut is None else text[: cut.start()]
    while True:
        text = text.rstrip()
        ending = next((suffix for suffix in suffixes if text.lower().endswith(suffix)), None)
        if ending is None:
            return text, " ".join(reversed(found))
        found.append(text[len(text) - len(ending) :])
        text = text[: len(text) - len(ending)]


def _options(text: str) -> tuple[str, ...]:
    """At least two lines with letters that follow each other from A."""
    found = _OPTION.findall(text)
    letters = "".join(letter for letter, _ in found)
    return tuple(option.strip() for _, option in found) if len(found) > 1 and "ABCDEFGH".startswith(letters) else ()


def _first_option(text: str) -> int:
    match = _OPTION.search(text)
    return len(text) if match is None else match.start()


def _bare(core: str) -> str:
    """Preambles are taken off as long as enough remains to be a question."""
    text, before = core, None
    while before != text:
        before = text
        for pattern in _PREAMBLES:
            shorter = pattern.sub("", text, count=1)
            if len(tokens(shorter)) >= _LEAST_BARE:
                text = shorter
    return text


def _act(core: str, choice: bool) -> Act:
    if not tokens(core):
        return Act.EMPTY
    if choice:
        return Act.CHOICE
    if core.rstrip("\"')").endswith("?"):
        return Act.INTERROGATIVE
    if _IMPERATIVE.match(core):
        return Act.IMPERATIVE
    return Act.REFERRING if _REFERRING.match(core) and not _VERB.search(core) else Act.STATEMENT


def _is_foreign(core: str) -> bool:
    letters = [c for c in core if c.isalpha()]
    return bool(letters) and sum(c.isascii() for c in letters) < _ENGLISH * len(letters)
