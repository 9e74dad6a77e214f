"""Models that need no weights: the floors to measure against, and the replay of answers that exist already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sqeval.model import Completion, Group, Identity
from sqeval.models.kinds import ModelKind
from sqeval.planner import digest

if TYPE_CHECKING:
    from sqeval.task import Sample, Task


class Majority:
    """Always the task's most common gold response.

    A tie goes to the answer that comes last in the alphabet. This matters where yes and no are balanced, as in POPE:
    a constant yes has an F1 of 2/3, a constant no of 0, and a floor should be the stronger constant.
    """

    identity = Identity("majority", "majority", sees_images=False)

    def __init__(self) -> None:
        self._answers: dict[str, str] = {}

    def fit(self, task: Task, samples: Sequence[Sample]) -> None:
        counts = Counter(task.gold(sample) for sample in samples)
        self._answers[task.name] = max(counts, key=lambda answer: (counts[answer], answer)) if counts else ""

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        for group in groups:
            for request in group.requests:
                yield Completion(request.task, request.id, self._answers[request.task])


class Random:
    """The gold response of a sample drawn at random: guesses that know how often each answer occurs.

    Each draw depends on the seed and the sample's id alone, not on the order of questions.
    """

    def __init__(self, seed: int) -> None:
        self.identity = Identity("random", "random", sees_images=False, details={"seed": seed})
        self._seed = seed
        self._golds: dict[str, list[str]] = {}

    def fit(self, task: Task, samples: Sequence[Sample]) -> None:
        self._golds[task.name] = [task.gold(sample) for sample in samples]

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        for group in groups:
            for request in group.requests:
                golds = self._golds[request.task]
                drawn = int(digest(self._seed, request.id), 16) % len(golds)
                yield Completion(request.task, request.id, golds[drawn])


MAJORITY = ModelKind("a floor: the task's most common answer, whatever is asked", lambda config, note: Majority())
RANDOM = ModelKind("a floor: the answer to another question, drawn by --seed", lambda config, note: Random(config.seed))
