"""A served model behind the model protocol: many questions at a time, each image encoded once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from sqeval.endpoint import Endpoint
from sqeval.errors import IncompleteError
from sqeval.model import Completion, Group, Identity, Request, Work
from sqeval.models.kinds import Note
from sqeval.models.openai.calling import Caller, NoReplyError, Reply
from sqeval.models.openai.estimate import estimate, price
from sqeval.models.openai.images import data_url
from sqeval.models.openai.kind import Options
from sqeval.planner import digest

PATIENCE = 5
"""Images in a row about which nothing is answered, or questions in a row that fail after all attempts: then the server
is taken for dead."""
STOPS = 4
"""Most stop texts that OpenAI takes; the others are cut off here alone."""
_SEEDS = 2**31


@dataclass
class Books:
    """What was sent and what came back."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    images: int = 0
    seconds: float = 0.0
    versions: set[str] = field(default_factory=set)

    def enter(self, reply: Reply) -> None:
        """Count a reply."""
        self.prompt_tokens += reply.prompt_tokens
        self.cached_tokens += reply.cached_tokens
        self.tokens += reply.tokens
        if reply.version:
            self.versions.add(reply.version)


class ServedModel:
    """The model called `name` at an address."""

    def __init__(self, name: str, at: Endpoint, options: Options, note: Note) -> None:
        details = {"detail": options.detail, "max_side": options.max_side}
        self.identity = Identity(
            name, "openai", checkpoint=name, details={key: value for key, value in details.items() if value is not None}
        )
        self._options, self._note, self._hidden = options, note, at.hidden
        self._caller = Caller(name, at, options)
        self._books = Books()
        self._failed: set[str] = set()
        """What went wrong in a row: images whose questions were refused, questions that failed."""

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        """Answer every request of `groups` once, as answers come in.

        Raises UserError for what every question meets (a wrong key, an unknown model), IncompleteError for a server
        that no longer answers.
        """
        self._note(estimate(self.identity.name, groups, self._options))
        began, self._failed = time.monotonic(), set()
        self._caller.stopped.clear()
        pool = ThreadPoolExecutor(self._options.concurrency)
        asked: dict[Future[Reply], tuple[Request, str]] = {}
        try:
            for request, key, body in self._bodies(groups):
                if isinstance(body, str):
                    yield _failed(request, body)
                    continue
                asked[pool.submit(self._caller.ask, body)] = request, key
                if len(asked) >= 2 * self._options.concurrency:
                    yield from self._answered(asked)
            while asked:
                yield from self._answered(asked)
        finally:
            self._caller.stopped.set()
            pool.shutdown(cancel_futures=True)
            self._books.seconds += time.monotonic() - began
        self._note(self._summary())

    def work(self) -> Work:
        """As the server counts; what it took from a cache of its own was not computed."""
        books = self._books
        return Work(
            prompt_tokens=books.prompt_tokens,
            prefilled_tokens=books.prompt_tokens - books.cached_tokens,
            generated_tokens=books.tokens,
            images_encoded=books.images,
            seconds=books.seconds,
            batch_tokens=0,
            shared_prefixes=books.cached_tokens > 0,
            notes=tuple(f"the server says that it is {version}" for version in sorted(books.versions)),
        )

    def _bodies(self, groups: Sequence[Group]) -> Iterator[tuple[Request, str, dict[str, Any] | str]]:
        """Each request with its image's name and what is sent; or why its image cannot be."""
        for number, group in enumerate(groups):
            url, error = None, None
            if group.image is not None:
                try:
                    url = data_url(group.image, self._options.max_side)
                    self._books.images += 1
                except Exception as problem:  # Pillow's decoders raise many kinds for damaged files
                    error = f"image cannot be opened: {type(problem).__name__}: {problem}"
            for request in group.requests:
                yield request, str(number), error or self._body(request, url)

    def _body(self, request: Request, url: str | None) -> dict[str, Any]:
        settings, content = request.settings, []
        if url is not None:  # first, so that a server can keep what questions about it have in common
            detail = {} if self._options.detail is None else {"detail": self._options.detail}
            content.append({"type": "image_url", "image_url": {"url": url, **detail}})
        content.append({"type": "text", "text": request.prompt})
        body: dict[str, Any] = {
            "model": self.identity.name,
            "messages": [{"role": "user", "content": content}],
            "temperature": settings.temperature,
            self._options.tokens_as: settings.max_new_tokens,
        }
        if settings.temperature:
            body["seed"] = int(digest(settings.seed, request.task, request.id), 16) % _SEEDS
        if settings.stop:
            body["stop"] = list(settings.stop[:STOPS])
        return body | ({"logprobs": True} if self._options.logprobs else {})

    def _answered(self, asked: dict[Future[Reply], tuple[Request, str]]) -> Iterator[Completion]:
        """Wait for at least one answer; gives those that are there, and takes them out."""
        for done in wait(asked, return_when=FIRST_COMPLETED).done:
            request, image = asked.pop(done)
            try:
                reply = done.result()
            except NoReplyError as error:
                self._failed.add(f"{request.task}/{request.id}" if error.tried else image)
                yield _failed(request, str(error))
                if len(self._failed) >= PATIENCE:
                    raise IncompleteError(
                        f"{self.identity.name}: nothing was answered {PATIENCE} times in a row ({error}); the run is "
                        "incomplete, and the same command asks the rest when the server answers again"
                    ) from None
            else:
                self._failed.clear()
                self._books.enter(reply)
                yield _completion(request, reply)

    def _summary(self) -> str:
        books = self._books
        told = f"{self.identity.name}: {books.prompt_tokens:,} tokens sent and {books.tokens:,} received, by the server"
        told += price(books.prompt_tokens, books.tokens, self._options, "; cost ")
        return told + (
            f"; it says that it is {self._hidden(', '.join(sorted(books.versions)))}" if books.versions else ""
        )


def _failed(request: Request, error: str) -> Completion:
    return Completion(request.task, request.id, "", "error", error=error)


def _completion(request: Request, reply: Reply) -> Completion:
    found = [place for place in (reply.text.find(stop) for stop in request.settings.stop) if place >= 0]
    text = reply.text[: min(found, default=None)].strip()
    reason = "stop" if found else reply.finish_reason
    return Completion(request.task, request.id, text, reason, reply.tokens, reply.logprob)
