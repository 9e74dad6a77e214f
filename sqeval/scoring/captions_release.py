"""What SQ-LLaVA's caption evaluation does to captions before the official tokenizer sees them.

Source: eval_image_caption.py of its release. Not the official protocol: it explains differences from its tables.
"""

from __future__ import annotations

import re

CANDIDATE_WORDS, REFERENCE_WORDS = 20, 50
"""What is beyond so many words is cut off: long answers are scored by their beginning."""

_MARKS = re.compile(r'[.!"()*#:;~]')
_SPACES = re.compile(r"\s{2,}")


def cleaned(caption: str, words: int) -> str:
    """Lower case, marks replaced by spaces, runs of spaces by one, and at most the first `words` words."""
    text = _SPACES.sub(" ", _MARKS.sub(" ", caption.lower())).strip()
    return " ".join(text.split(" ")[:words])
