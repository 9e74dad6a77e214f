"""A judge behind an OpenAI-compatible address: one question, one reply, with retries and plain errors.

The standard library is all that one POST needs.  Address and key come from the environment, as OpenAI's own client
has them, and the key is never written or shown.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Any

from sqeval.endpoint import AGAIN, ATTEMPTS, DEFAULT_URL, FATAL, SHOWN, URL, Endpoint, endpoint, pause
from sqeval.judged import Inquiry
from sqeval.planner import digest
from sqeval.report.text import plain

__all__ = ["ATTEMPTS", "DEFAULT_URL", "TIMEOUT", "URL", "Judge", "JudgeError", "Reply", "judge_from_environment"]
TIMEOUT = 180.0
_LONGEST = 16 << 20
"""Bytes of a reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a judge said."""

    text: str
    version: str
    """The model that the server says it was: a name such as ``gpt-4`` stands for another one next year."""


class JudgeError(Exception):
    """There is no reply. `fatal`: nor will there be one to any other question."""

    def __init__(self, problem: str, *, fatal: bool = False) -> None:
        super().__init__(problem)
        self.fatal = fatal


class Judge:
    """A model at an address."""

    def __init__(self, name: str, url: str, key: str | None = None) -> None:
        self.name, self.url = name, url.rstrip("/")
        self._key = key
        self._hidden = Endpoint(self.url, key).hidden
        self._opener = urllib.request.build_opener(_NoRedirect)

    @property
    def place(self) -> str:
        """Tells judges of the same name at different addresses apart, without the address, which may hold secrets."""
        return digest((self.url, self.name))[:16]

    def ask(self, inquiry: Inquiry, stopped: Event) -> Reply:
        """Put a question. Raises JudgeError if there is no reply after `ATTEMPTS`, or after the one that was under way
        when `stopped` was set."""
        problem = JudgeError("not asked: the judging was stopped")
        for attempt in range(ATTEMPTS):
            if stopped.is_set():
                break
            try:
                return self._once(inquiry)
            except urllib.error.HTTPError as error:
                problem = JudgeError(f"HTTP {error.code}: {self._body(error)}", fatal=error.code in FATAL)
                if error.code < 500 and error.code not in AGAIN:
                    break
                wait = pause(attempt, error.headers.get("Retry-After"))
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", None) or error
                problem = JudgeError(f"no answer ({plain(str(reason), SHOWN)})", fatal=True)
                wait = pause(attempt)
            except ValueError as error:
                problem, wait = JudgeError(f"not a chat completion: {self._hidden(str(error))}"), pause(attempt)
            if attempt + 1 < ATTEMPTS:
                stopped.wait(wait)
        raise problem

    def _once(self, inquiry: Inquiry) -> Reply:
        body = {
            "model": self.name,
            "messages": [{"role": role, "content": text} for role, text in inquiry.messages],
            "max_tokens": inquiry.max_tokens,
            "temperature": inquiry.temperature,
        }
        headers = {"Content-Type": "application/json", "User-Agent": "sqeval"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(f"{self.url}/chat/completions", json.dumps(body).encode(), headers)
        with self._opener.open(request, timeout=TIMEOUT) as answer:
            text = answer.read(_LONGEST + 1)
        if len(text) > _LONGEST:
            raise ValueError("a reply of more than 16 MiB")
        try:
            return _reply(json.loads(text), self.name)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def _body(self, error: urllib.error.HTTPError) -> str:
        """What the server says about its refusal, in a line."""
        try:
            text = error.read(10_000).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            text = ""
        with suppress(ValueError, KeyError, TypeError):
            text = json.loads(text)["error"]["message"]
        return self._hidden(str(text)) or str(error.reason)


def judge_from_environment(name: str, environment: Mapping[str, str] = os.environ) -> Judge:
    """The judge called `name` at ``$OPENAI_BASE_URL``, with ``$OPENAI_API_KEY``. Raises UserError."""
    at = endpoint(f"--judge {name}", environment)
    return Judge(name, at.url, at.key)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the key to another address: it is an error instead."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _reply(answer: Any, name: str) -> Reply:
    """Raises ValueError for what is no chat completion. A refusal to say anything is a reply without text."""
    try:
        text, version = answer["choices"][0]["message"]["content"], answer.get("model") or name
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError(json.dumps(answer)[:SHOWN]) from None
    if not isinstance(text, str | None) or not isinstance(version, str):
        raise ValueError(json.dumps(answer)[:SHOWN])
    # Half a surrogate pair could not be stored.
    return Reply((text or "").encode("utf-8", "replace").decode(), version)
