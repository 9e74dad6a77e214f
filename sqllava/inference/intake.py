"""What waits for the engine: groups in the order of their size, tokenized and with their images opened ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor

from sqllava.inference.jobs import Job, estimate, failure, jobs
from sqllava.inference.pictures import Features, encode, pixels
from sqllava.inference.requests import Completion, Group, Scored, Stats


class Intake:
    """A queue of jobs. `failed` gathers answers for what cannot be computed; whoever takes jobs passes them on."""

    def __init__(
        self, groups: Iterable[Group], model: Any, processor: Any, *, sees_images: bool, workers: int,
        features: Features, stats: Stats,
    ) -> None:  # fmt: skip
        self._model, self._features, self._stats = model, features, stats
        image_tokens = processor.image_seq_length if sees_images else 0
        # Groups with an image have the longer prefixes, and waves are of one kind.
        ordered = sorted(groups, key=lambda group: (group.has_image, estimate(group, image_tokens)), reverse=True)
        context = model.config.text_config.max_position_embeddings
        self._untokenized = jobs(ordered, processor, context, sees_images=sees_images)
        self._ready: deque[Job] = deque()
        self.failed: list[Completion | Scored] = []
        self._image_processor = processor.image_processor
        self._to_open = self._unseen(ordered) if sees_images else deque()
        self._opened = pixels(
            [group.image for group in self._to_open if group.image is not None], self._image_processor,
            workers=workers, device=model.device,
        )  # fmt: skip
        self._sees_images = sees_images

    def __bool__(self) -> bool:
        return self.peek() is not None or bool(self.failed)

    def peek(self) -> Job | None:
        """The next job; it stays."""
        while not self._ready:
            found = next(self._untokenized, None)
            if found is None:
                return None
            if isinstance(found, Job):
                self._ready.append(found)
                self._stats.prompt_tokens += sum(len(found.prefix) + len(one.ids) for one in found.segments)
            else:
                self.failed.append(found)
        return self._ready[0]

    def pop(self) -> Job:
        """The next job; it goes."""
        return self._ready.popleft()

    def push(self, again: Sequence[Job]) -> None:
        """Put jobs back to the front."""
        self._ready.extendleft(reversed(again))

    @property
    def ready(self) -> Sequence[Job]:
        """Jobs that are tokenized already."""
        return self._ready

    def see(self, taken: Sequence[Job], working: Callable[[], AbstractContextManager[None]]) -> list[Job]:
        """The jobs with their images' features; those whose image cannot be opened become `failed`.

        working: the time that the vision tower takes is spent inside; waiting for images is not.
        """
        if not self._sees_images:
            return list(taken)
        fresh: dict[str | int, tuple[Job, Tensor]] = {}
        broken: set[int] = set()
        for job in taken:
            key = job.group.key
            if job.features is not None or job.group.image is None or key in fresh:
                continue
            if key is not None and key in self._features:
                job.features = self._features.get(key)
                continue
            picture = self._open(job.group)
            if isinstance(picture, str):
                broken.add(id(job))
                self.failed += [failure(segment, picture) for segment in job.segments]
            else:
                fresh[id(job) if key is None else key] = job, picture
        with working():
            found = encode(self._model, [picture for _, picture in fresh.values()])
        self._stats.images += len(fresh)
        for (job, _), features in zip(fresh.values(), found, strict=True):
            job.features = features
            if job.group.key is not None:
                self._features.put(job.group.key, features)
        sound = [job for job in taken if id(job) not in broken]
        for job in sound:
            if job.features is None and job.group.key in fresh:  # another group about the same image
                job.features = fresh[job.group.key][0].features
        return sound

    def _unseen(self, ordered: Sequence[Group]) -> deque[Group]:
        """Groups whose images must be opened: once for each key that is not known already."""
        known: set[str] = set()
        wanted: deque[Group] = deque()
        for group in ordered:
            if group.image is None or group.features is not None or group.key in self._features or group.key in known:
                continue
            wanted.append(group)
            if group.key is not None:
                known.add(group.key)
        return wanted

    def _open(self, group: Group) -> Tensor | str:
        """Pixels of the group's image: from those opened ahead, which come in the order of the groups."""
        if any(waiting is group for waiting in self._to_open):
            while True:
                passed, picture = self._to_open.popleft(), next(self._opened)
                if passed is group:
                    return picture
        assert group.image is not None
        return next(iter(pixels([group.image], self._image_processor, workers=0, device=self._model.device)))
