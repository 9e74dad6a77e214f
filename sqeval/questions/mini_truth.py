"""The mini suite knows its scenes exactly: what is true of a question about one of its pictures.

Whether the premise holds, whether the image answers it, what the answer is, and whether the answer needs the image. The
cheap metrics are held against this, and an oracle answers for group A.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

import numpy as np

from sqeval.data.mini.askable import askable
from sqeval.data.mini.output import FIRST_IMAGE, coco_name
from sqeval.data.mini.questions import Question
from sqeval.data.mini.scenes import Scene
from sqeval.data.mini.splits import evaluation_splits
from sqeval.model import Completion, Group, Identity
from sqeval.questions.files import Asked, Context, ImageQuestions

EXISTENCE = ("Is there", "Are there")
"""Such questions presuppose nothing."""
ONE_ANSWER, LEAST_PICTURES = 0.95, 5
"""If so large a share of at least so many pictures gives a question the same answer, nobody needs to look."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Of one question about one picture."""

    sensible: bool
    """Whether it can be asked about some picture of the suite."""
    premise_holds: bool
    answer: str | None
    """None if it has none: its premise fails, or it makes no sense."""
    needs_image: bool
    """Whether its answer differs from picture to picture."""

    @property
    def usable(self) -> bool:
        """Whether everything is right with it."""
        return self.sensible and self.premise_holds and self.needs_image


class MiniWorld:
    """The scenes behind the suite's COCO pictures, by file name."""

    def __init__(self, images: int | None = None, names: Collection[str] | None = None) -> None:
        """images: only the first so many; names: only these."""
        scenes = evaluation_splits().coco[:images]
        known = {coco_name(i): scene for i, scene in enumerate(scenes, FIRST_IMAGE)}
        self.scenes: Mapping[str, Scene] = {
            name: scene for name, scene in known.items() if names is None or name in names
        }

    @cached_property
    def questions(self) -> Mapping[str, Mapping[str, Question]]:
        """What can be asked about each picture."""
        return {name: askable(scene) for name, scene in self.scenes.items()}

    @cached_property
    def answers(self) -> Mapping[str, Counter[str]]:
        """How often each answer is right, over the pictures about which a question can be asked."""
        found: dict[str, Counter[str]] = {}
        for possible in self.questions.values():
            for text, question in possible.items():
                found.setdefault(text, Counter())[question.answer] += 1
        return found

    def truth(self, image: str, text: str) -> Truth:
        """Of a question's text, word for word as the suite's language has it."""
        own = self.questions[image].get(text)
        counts = self.answers.get(text)
        if counts is None:
            return Truth(False, False, None, False)
        holds = own is not None or text.startswith(EXISTENCE)
        needs = counts.total() < LEAST_PICTURES or counts.most_common(1)[0][1] < ONE_ANSWER * counts.total()
        return Truth(True, holds, None if own is None else own.answer, needs)

    def context(self, image: str, captions: Sequence[str] = ()) -> Context:
        """The annotated objects: ``star``, ``red star``, ``red object``."""
        labels: set[str] = set()
        for thing in self.scenes[image].things:
            labels |= {thing.shape, f"{thing.color} {thing.shape}", f"{thing.color} object"}
        return Context(tuple(captions), tuple(sorted(labels)))

    def template_asker(self, n: int, seed: int = 0, *, looks: bool = True) -> list[ImageQuestions]:
        """Questions of the suite's own generator: about the picture, or, if it does not look, about another one."""
        rng = np.random.default_rng(seed)
        names = list(self.scenes)
        run_id = "generator" if looks else "generator-blind"
        asked = []
        for place, name in enumerate(names):
            source = name if looks else names[(place + 1 + int(rng.integers(len(names) - 1))) % len(names)]
            texts = sorted(self.questions[source])
            chosen = rng.choice(len(texts), min(n, len(texts)), replace=False)
            questions = tuple(Asked(f"{run_id}/{name}/{i}", texts[c]) for i, c in enumerate(chosen))
            gen = {"protocol": "generator", "sampling": "iid", "n": n, "temperature": 1.0, "seed": seed}
            asked.append(
                ImageQuestions(run_id, name, questions, {"name": run_id}, gen, name, context=self.context(name))
            )
        return asked


class Oracle:
    """An answerer that knows the scenes: right with the picture, the likeliest answer without, and it says so when a
    question has no answer."""

    def __init__(self, world: MiniWorld) -> None:
        self.identity = Identity("oracle", "oracle", checkpoint_hash="oracle")
        self._world = world

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        for group in groups:
            image = None if group.image is None else PurePath(group.image.key).name
            for request in group.requests:
                text = request.prompt.split("\n")[0]
                yield Completion(request.task, request.id, self._says(image, text))

    def _says(self, image: str | None, text: str) -> str:
        counts = self._world.answers.get(text)
        if counts is None:
            return "unanswerable"
        if image is None:
            return counts.most_common(1)[0][0]
        known = self._world.truth(image, text)
        if known.answer is None and known.premise_holds:
            return "no"  # whether something exists, and nobody has written down that it does
        return known.answer or "unanswerable"
