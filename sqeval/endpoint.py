"""An OpenAI-compatible address: from the environment, as OpenAI's own client has it, and what its refusals mean.

The key is never written or shown.
"""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqeval.errors import UserError
from sqeval.report.text import plain
from sqeval.secrets import MASK, mask

URL, KEY = "OPENAI_BASE_URL", "OPENAI_API_KEY"
DEFAULT_URL = "https://api.openai.com/v1"
ATTEMPTS = 6
LONGEST_PAUSE = 60.0
"""Seconds, whatever the server wishes."""
AGAIN = frozenset({408, 409, 425, 429})
"""Refusals that pass, beside those of 500 and above."""
FATAL = frozenset({401, 403, 404})
"""Refusals that any other question would meet too: key, permission, name of the model or address."""
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model answers."""

    url: str
    key: str | None = field(default=None, repr=False)

    def hidden(self, text: str) -> str:
        """A line without the key, which servers like to repeat."""
        text = text.replace(self.key, MASK) if self.key else text
        return plain(mask(text), SHOWN)


def endpoint(flag: str, environment: Mapping[str, str] = os.environ) -> Endpoint:
    """``$OPENAI_BASE_URL`` and ``$OPENAI_API_KEY``; `flag` is what asked for them. Raises UserError."""
    url, key = environment.get(URL) or DEFAULT_URL, (environment.get(KEY) or "").strip()
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise UserError(f"{URL}: expected an address such as {DEFAULT_URL}; the key belongs into {KEY}")
    if not key and url == DEFAULT_URL:
        raise UserError(f"{flag}: set {KEY}, or {URL} to the address of another OpenAI-compatible server")
    if not (key.isascii() and key.isprintable()):
        raise UserError(f"{KEY}: holds characters that no key has")
    return Endpoint(url.rstrip("/"), key or None)


def pause(attempt: int, header: str | None = None) -> float:
    """Seconds to wait after an attempt, from 0, that failed: what the server asks in ``Retry-After``, else twice as
    long each time."""
    wish = _seconds(header)
    return min(LONGEST_PAUSE, 2.0**attempt if wish is None else wish)


def _seconds(header: str | None) -> float | None:
    """None if the server does not say, or gives a date."""
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
