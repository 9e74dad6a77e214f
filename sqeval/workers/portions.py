"""What is still to be handed out: image groups in portions, small enough that no worker holds up the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqeval.model import Completion, Group, Request

SECONDS = 10.0
"""A portion is what its worker answers in about this time: long beside handing it out, short beside a run."""
FIRST = 32
"""Questions of a worker's first portion, when nobody knows how fast it is."""
LEAST = 16
"""Questions of the last portions: fewer would leave a batch empty."""
MOST_LOSSES = 3
"""Workers that are lost over a group before it is given up; all but the first had nothing else in hand."""


@dataclass
class Portion:
    """Groups that one worker has in hand."""

    groups: Sequence[Group]
    losses: int = 0
    """Workers that were lost with these groups in hand."""
    _open: dict[tuple[str, str], Request] = field(init=False)

    def __post_init__(self) -> None:
        self._open = {(r.task, r.id): r for group in self.groups for r in group.requests}

    def take(self, answer: Completion) -> None:
        """One question less is open; an answer to another one changes nothing."""
        self._open.pop((answer.task, answer.id), None)

    def unanswered(self) -> Iterator[Group]:
        """What is open, in its groups."""
        for group in self.groups:
            rest = tuple(r for r in group.requests if (r.task, r.id) in self._open)
            if rest:
                yield Group(group.image, rest)


class Portions:
    """Groups that no worker has in hand.

    Those that were with a lost worker come last, each in a portion of its own, so that one that kills its worker is
    told from those that were merely beside it, and costs nothing before all else is done.
    """

    def __init__(self, groups: Iterable[Group], workers: int) -> None:
        self._fresh, self._suspects = deque(groups), deque[Portion]()
        self._workers = workers
        self._left = sum(len(group.requests) for group in self._fresh)

    def __bool__(self) -> bool:
        return bool(self._fresh or self._suspects)

    def next(self, rate: float | None) -> Portion | None:
        """The next portion for a worker that answers `rate` questions a second (None: not known yet).

        As many whole groups as it answers in `SECONDS`; towards the end half of its share of what is left, so that all
        workers end together.
        """
        if not self._fresh:
            return self._suspects.popleft() if self._suspects else None
        wanted = FIRST if rate is None else rate * SECONDS
        size = max(LEAST, min(wanted, self._left / (2 * self._workers)))
        taken: list[Group] = []
        held = 0
        while self._fresh and (not taken or held + len(self._fresh[0].requests) <= size):
            taken.append(self._fresh.popleft())
            held += len(taken[-1].requests)
        self._left -= held
        return Portion(taken)

    def lost(self, portion: Portion, why: str) -> Iterator[Completion]:
        """Take back what a lost worker had in hand; gives the errors of a group that was with too many of them."""
        losses = portion.losses + 1
        for group in portion.unanswered():
            if losses < MOST_LOSSES:
                self._suspects.append(Portion([group], losses))
                continue
            for request in group.requests:
                error = f"{losses} workers were lost over this image's questions; the last one: {why}"
                yield Completion(request.task, request.id, "", "error", error=error)
