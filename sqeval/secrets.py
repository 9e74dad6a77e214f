"""Keys and tokens are masked before anything is written: by the name they are given, and by how they look."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

MASK = "***"
NAMES = frozenset({"key", "apikey", "token", "secret", "password", "passwd", "credential", "credentials", "auth"})
"""Last word of a setting's name; ``max_tokens`` and ``tokenizer`` are other words."""

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_ASSIGNED = re.compile(r"([A-Za-z][\w.-]*)=([^,\s]+)")
_LOOKS = re.compile(
    r"\b(?:hf_|sk-|gh[pousr]_|github_pat_|glpat-|xox[abpr]-|AKIA|AIza|eyJ)[\w.-]{8,}"  # keys by their makers' prefixes
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user:password in an address
)


def is_secret(name: str) -> bool:
    """Whether a setting called `name` holds a secret."""
    words = _WORDS.findall(name)
    return bool(words) and words[-1].lower() in NAMES


def mask(text: str) -> str:
    """`text` with the values of secret settings (``api_key=...``) and anything that looks like a key masked."""
    return _LOOKS.sub(MASK, _mask_named(text))


def _mask_named(text: str) -> str:
    # A value may be an assignment itself: --model-args=token=...
    return _ASSIGNED.sub(lambda m: f"{m[1]}={MASK if is_secret(m[1]) else _mask_named(m[2])}", text)


def mask_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings with the secret ones masked."""
    return {name: MASK if is_secret(name) else mask(value) for name, value in settings.items()}


def mask_command(arguments: Sequence[str]) -> list[str]:
    """A command line's arguments, masked; the value after a secret flag (``--api-key VALUE``) as well."""
    masked = [mask(argument) for argument in arguments]
    for position, argument in enumerate(arguments[:-1]):
        if argument.startswith("--") and "=" not in argument and is_secret(argument.lstrip("-")):
            masked[position + 1] = MASK
    return masked
