"""The two Java programs of the official caption evaluation, driven by ourselves: PTB tokenizer and METEOR 1.5.

The programs are those inside pycocoevalcap. Its own drivers write into site-packages, let one caption become two
lines, and wait for ever when Java dies.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sqeval.errors import UserError
from sqeval.java import Java, run_java

PUNCTUATION = frozenset(
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]
)
"""Tokens that coco-caption drops. Brackets arrive in lower case and therefore stay."""
METEOR_FIELDS = 23
"""Counts a segment that METEOR's ``SCORE`` prints."""

_LINE_BREAKS = re.compile("[\n\r\x0b\x0c\u2028\u2029]")
_SECONDS, _SECONDS_A_LINE = 300.0, 0.05  # ten times what a slow machine needs


def tokenize(captions: Sequence[str], java: Java) -> list[str]:
    """Tokens of each caption, joined by spaces: CoreNLP 3.4.1's PTBTokenizer in lower case, without punctuation.

    A full stop can be read differently depending on the caption that follows, so that the official order matters
    (rarely: an initial at the end). Raises UserError if Java fails.
    """
    if not captions:
        return []
    text = "".join(_LINE_BREAKS.sub(" ", caption) + "\n" for caption in captions)
    program = ["-cp", str(jar("tokenizer/stanford-corenlp-3.4.1.jar")), "edu.stanford.nlp.process.PTBTokenizer"]
    output = run_java(java, [*program, "-preserveLines", "-lowerCase"], text, timeout=_timeout(captions))
    lines = _lines(output, len(captions), "the PTB tokenizer")
    return [" ".join(w for w in line.rstrip().split(" ") if w not in PUNCTUATION) for line in lines]


def meteor_counts(candidates: Sequence[str], references: Sequence[Sequence[str]], java: Java) -> NDArray[np.float64]:
    """METEOR 1.5's counts of each tokenized candidate against its best reference, (n, 23).

    The columns: length of candidate and reference, function words of both, then for each matcher (exact, stem,
    synonym, paraphrase) matched content words of both and function words of both, chunks, matched words of both.
    Raises UserError if Java fails.
    """
    if not candidates:
        return np.zeros((0, METEOR_FIELDS))
    text = "".join(_segment(*pair) for pair in zip(candidates, references, strict=True))
    program = ["-Xmx2G", "-jar", str(jar("meteor/meteor-1.5.jar")), "-", "-", "-stdio", "-l", "en", "-norm"]
    output = run_java(java, program, text, timeout=_timeout(candidates))
    lines = [line.split() for line in _lines(output, len(candidates), "METEOR")]
    try:
        return np.array(lines, dtype=np.float64).reshape(len(candidates), METEOR_FIELDS)
    except ValueError:
        bad = next((" ".join(line) for line in lines if len(line) != METEOR_FIELDS), "no numbers")
        raise UserError(f"METEOR answered {bad[:200]!r} where {METEOR_FIELDS} counts were expected") from None


def _segment(candidate: str, references: Sequence[str]) -> str:
    """One request. The bars separate its parts, so that they may not stand inside of any."""
    parts = [reference.replace("|||", "") for reference in references]
    parts.append(candidate.replace("|||", "").replace("  ", " "))
    return _LINE_BREAKS.sub(" ", " ||| ".join(["SCORE", *parts])) + "\n"


def _lines(output: str, expected: int, program: str) -> list[str]:
    """The lines of `output`, one for each line of input: one more or less would shift all that follow."""
    lines = output.removesuffix("\n").split("\n")
    if len(lines) != expected:
        raise UserError(f"{program} returned {len(lines):,} lines for {expected:,} captions; the scores would be wrong")
    return lines


def jar(name: str) -> Path:
    spec = importlib.util.find_spec("pycocoevalcap")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder, name)).is_file():
            return path
    raise UserError(f"pycocoevalcap's {name} is missing; `pip install --force-reinstall pycocoevalcap`")


def _timeout(captions: Sequence[str]) -> float:
    return _SECONDS + _SECONDS_A_LINE * len(captions)
