"""Groups as the engine computes them: a shared prefix of tokens, and what each request adds to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sqllava.conversation import IMAGE
from sqllava.inference.requests import Completion, Group, Request, Scored, ScoreRequest
from sqllava.inference.segment import Continuation, Segment
from sqllava.inference.tree import Level

RESERVE = 32
"""New tokens that memory is set aside for when a segment starts; few answers are longer."""
TOGETHER = 64
"""Groups that are tokenized at once, ahead of the model."""


@dataclass(slots=True)
class Job:
    """A group on its way."""

    group: Group
    prefix: list[int]
    """Tokens that all its segments begin with, at least one."""
    segments: list[Segment | Continuation]
    features: Tensor | None = None
    """The projected image, once it is there."""
    node: Level | None = None
    """The prefix in the tree, if it is there already: of a group too large for one wave."""

    @property
    def cost(self) -> int:
        """Tokens that it will hold."""
        return (len(self.prefix) if self.node is None else 0) + sum(map(need, self.segments))

    def split(self, room: int) -> Job:
        """Take as many segments as fit into `room` tokens, at least one, and leave the others."""
        room -= len(self.prefix) if self.node is None else 0
        count = 0
        while count < len(self.segments) and (room := room - need(self.segments[count])) >= 0:
            count += 1
        count = max(count, 1)
        part = Job(self.group, self.prefix, self.segments[:count], self.features, self.node)
        self.segments = self.segments[count:]
        return part


def need(segment: Segment | Continuation) -> int:
    """Tokens to set aside for a segment, the prefix apart."""
    return len(segment.ids) + (min(segment.limit, RESERVE) if isinstance(segment, Segment) else 0)


def estimate(group: Group, image_tokens: int) -> float:
    """About how many tokens a group will hold, without tokenizing it: the order in which groups are taken up."""
    size = 0.0
    for request in group.requests:
        if isinstance(request, Request):
            size += request.samples * (len(request.prompt) / 4 + min(request.max_new_tokens, RESERVE))
        else:
            size += sum(len(request.prompt) + len(text) for text in request.continuations) / 4
    return size + (image_tokens if group.has_image else 0)


def jobs(
    groups: Sequence[Group], processor: Any, context: int, *, sees_images: bool
) -> Iterator[Job | Completion | Scored]:
    """Each group as a job; failures for requests that cannot be computed."""
    for start in range(0, len(groups), TOGETHER):
        several = groups[start : start + TOGETHER]
        texts = [text for group in several for request in group.requests for text in _texts(request)]
        tokens = iter(processor.tokenize(texts))
        for group in several:
            ids = [[next(tokens) for _ in _texts(request)] for request in group.requests]
            images = sees_images and group.has_image
            yield from _job(group, ids, context, int(images))


def _texts(request: Request | ScoreRequest) -> list[str]:
    """The prompt; and with each continuation."""
    if isinstance(request, Request):
        return [request.prompt]
    return [request.prompt, *(request.prompt + text for text in request.continuations)]


def _job(
    group: Group, tokens: Sequence[list[list[int]]], context: int, images: int
) -> Iterator[Job | Completion | Scored]:
    rows: list[tuple[Segment | Continuation, int]] = []  # and how many of its tokens may be shared
    for request, (prompt, *more) in zip(group.requests, tokens, strict=True):
        longest = max(map(len, more), default=len(prompt) + 1)
        if longest > context:
            yield from failures(request, f"prompt of {len(prompt)} tokens does not fit the context of {context}")
        elif any(text.count(IMAGE) > images for text in _texts(request)):
            yield from failures(request, f"the prompt has more {IMAGE} than the {images} that its group has")
        elif isinstance(request, Request):
            limit = min(request.max_new_tokens, context - len(prompt))
            rows += [(Segment(request, i, prompt, limit), len(prompt) - 1) for i in range(request.samples)]
        else:
            for number, whole in enumerate(more):
                given = alike(prompt, whole)  # a token may reach over the border
                rows.append((Continuation(request.id, number, whole, given), given - 1))
    if rows:
        all_ids = [row.ids for row, _ in rows]
        # Of rows in alphabetical order, what first and last begin with is what all begin with.
        first, last = min(all_ids), max(all_ids)
        shared = first[: max(1, min(alike(first, last), *(most for _, most in rows)))]
        for row, _ in rows:
            row.ids = row.ids[len(shared) :]
            if isinstance(row, Continuation):
                row.given -= len(shared)
        yield Job(group, shared, [row for row, _ in rows], group.features)


def alike(one: list[int], other: list[int]) -> int:
    """How many tokens both begin with."""
    length = min(len(one), len(other))
    return next((i for i in range(length) if one[i] != other[i]), length)


def failures(request: Request | ScoreRequest, error: str) -> list[Completion | Scored]:
    """Every answer to a request that could not be computed."""
    if isinstance(request, Request):
        return [Completion(request.id, "", "error", sample=i, error=error) for i in range(request.samples)]
    return [Scored(request.id, number, error=error) for number in range(len(request.continuations))]


def failure(segment: Segment | Continuation, error: str) -> Completion | Scored:
    """The answer in place of what a segment would have said."""
    if isinstance(segment, Segment):
        return Completion(segment.request.id, "", "error", sample=segment.sample, error=error)
    return Scored(segment.id, segment.number, error=error)
