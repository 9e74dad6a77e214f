"""One question, one reply, by OpenAI's client: attempts, pauses, and refusals in plain words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from threading import Event
from typing import Any

import openai

from sqeval.endpoint import AGAIN, ATTEMPTS, FATAL, KEY, URL, Endpoint, pause
from sqeval.errors import UserError
from sqeval.model import FinishReason
from sqeval.models.openai.kind import Options
from sqeval.models.openai.pace import Pace
from sqeval.plugins import nearest

_QUOTA = "insufficient_quota"
_NAMED = 20


@dataclass(frozen=True)
class Reply:
    """What came back."""

    text: str
    finish_reason: FinishReason
    tokens: int
    """0 where the server does not say; so for the next two."""
    prompt_tokens: int
    cached_tokens: int
    logprob: float | None
    version: str | None
    """The model that the server says it was."""


class NoReplyError(Exception):
    """There is no answer to this question. `tried`: after all attempts; else the server refused this one."""

    def __init__(self, problem: str, *, tried: bool) -> None:
        super().__init__(problem)
        self.tried = tried


class Caller:
    """A model at an address, for several threads."""

    def __init__(self, name: str, at: Endpoint, options: Options) -> None:
        self._name, self._at = name, at
        # Attempts are ours, so that each keeps the pace; a server without keys must be sent one all the same.
        self._client = openai.OpenAI(api_key=at.key or "none", base_url=at.url, max_retries=0, timeout=options.timeout)
        self._pace = Pace(options.rpm)
        self.stopped = Event()
        """Set: nobody waits any longer."""

    def ask(self, body: dict[str, Any]) -> Reply:
        """Raises NoReplyError, and UserError for what every other question would meet too."""
        for attempt in range(ATTEMPTS):
            self._pace.wait(self.stopped)
            if self.stopped.is_set():
                break
            try:
                return read(json.loads(self._client.chat.completions.with_raw_response.create(**body).text))
            except openai.APIStatusError as error:
                problem, wait = self._refused(error), pause(attempt, error.response.headers.get("retry-after"))
                if error.status_code == 429:
                    self._pace.rest(wait)
            except openai.APIConnectionError as error:  # timeouts among them
                cause = error.__cause__ or error
                problem = f"no answer ({self._at.hidden(f'{type(cause).__name__}: {cause}')})"
                wait = pause(attempt)
            except ValueError as error:
                problem, wait = f"not a chat completion: {self._at.hidden(str(error))}", pause(attempt)
            if attempt + 1 < ATTEMPTS:
                self.stopped.wait(wait)
        else:
            raise NoReplyError(f"{problem}, after {ATTEMPTS} attempts", tried=True)
        raise NoReplyError("not asked: the run stopped", tried=False)

    def _refused(self, error: openai.APIStatusError) -> str:
        """Why, if it is worth another attempt. Raises NoReplyError or UserError if not."""
        code = error.status_code
        body = error.body if isinstance(error.body, dict) else {}
        problem = f"HTTP {code}: {self._at.hidden(str(body.get('message') or error.message))}"
        if code in FATAL or body.get("code") == _QUOTA:
            raise UserError(f"--model openai --ckpt {self._name}: {problem}; {self._remedy(code)}") from None
        if code < 500 and code not in AGAIN:
            raise NoReplyError(problem, tried=False) from None
        return problem

    def _remedy(self, code: int) -> str:
        if code == 429:
            return f"the account of {KEY} has no credit left; the same command goes on when it has"
        if code != 404:
            return f"set {KEY} to a key that the server of {URL} accepts for this model"
        try:
            names = [model.id for model in self._client.models.list()]
        except (openai.OpenAIError, ValueError):
            return f"{URL} has to be the address before /chat/completions, which ends in /v1 as a rule"
        return f"{nearest(self._name, names)}the server has: {self._at.hidden(', '.join(names[:_NAMED]))}"


def read(answer: Any) -> Reply:
    """A reply from the JSON of a chat completion. Raises ValueError for anything else.

    A refusal of the model to say anything is what it says; the server's content filter is `NoReplyError`.
    """
    try:
        choice, usage = answer["choices"][0], answer.get("usage") or {}
        text, reason = choice["message"].get("content"), choice.get("finish_reason")
        said = choice["message"].get("refusal") if text is None else text
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError(json.dumps(answer)) from None
    if reason == "content_filter":
        raise NoReplyError("the server's content filter withheld the answer", tried=False)
    if not isinstance(said, str | None):
        raise ValueError(json.dumps(answer))
    logs = (choice.get("logprobs") or {}).get("content")
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Reply(
        said or "",
        "length" if reason == "length" else "stop",
        usage.get("completion_tokens") or 0,
        usage.get("prompt_tokens") or 0,
        cached,
        None if not logs else sum(token["logprob"] for token in logs),
        answer.get("model"),
    )
