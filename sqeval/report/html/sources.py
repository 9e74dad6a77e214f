"""What a run folder does not hold: the images, and of stored baselines the questions. Both are in the data root."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqeval.data.images import ImageRef
from sqeval.data.places import with_images
from sqeval.data.root import DataRoot, resolve_root
from sqeval.errors import SqevalError, UserError
from sqeval.records import Record
from sqeval.registry import get_task
from sqeval.runs import Run, TaskRun
from sqeval.task import Sample, Task

UNKNOWN = "unknown"


@dataclass
class Source:
    """Where images are looked for, and what had to be said about it."""

    root: DataRoot | None
    notes: list[str] = field(default_factory=list)

    def find(self, name: str, runs: Sequence[TaskRun], records: Sequence[Record]) -> Found:
        """Images of one task's records; and questions, where the records are stored without."""
        if self.root is None:
            return Found()
        keys = dict.fromkeys(record.image for record in records if record.image is not None)
        files = {key: image for key in keys if (image := _file(self.root, key)) is not None}
        if len(files) == len(keys) and all(record.prompt or record.question for record in records):
            return Found(files)
        try:
            task, samples = self._samples(name, runs)
        except SqevalError as error:
            self.notes.append(f"{name}: no questions and images could be read from the data: {error}")
            return Found(files)
        images = {sample.image.key: sample.image for sample in samples if sample.image is not None}
        return Found({**images, **files}, {sample.id: sample for sample in samples}, task.prompt)

    def _samples(self, name: str, runs: Sequence[TaskRun]) -> tuple[Task, list[Sample]]:
        assert self.root is not None
        task, root = get_task(name, runs[0].protocol), self.root.for_task(name)
        samples = task.samples(root)
        if runs[0].hashes.get("data") != root.hash():
            raise UserError(
                f"{root.name} is not the data that was asked about (it has another hash); name that in --data"
            )
        return task, samples


@dataclass(frozen=True)
class Found:
    """What the data root has of one task."""

    images: Mapping[str, ImageRef] = field(default_factory=dict)
    """By the key that records have."""
    samples: Mapping[str, Sample] = field(default_factory=dict)
    """By id; empty where the records tell all."""
    prompt: Callable[[Sample], str] | None = None


def open_source(runs: Sequence[Run], data: str | None) -> Source:
    """The data root `data`, or the one that the runs were about, if it is there.

    Raises UserError if `data` is given and is no folder.
    """
    if data is not None:
        return Source(_root(runs[0], data))
    names = dict.fromkeys(run.data for run in runs if run.data != UNKNOWN)
    for name in names:
        if name == "mini" or Path(name).expanduser().is_dir():
            return Source(_root(next(run for run in runs if run.data == name), name))
    where = f"the data ({', '.join(names)}) is not here" if names else "the run does not say where its data was"
    return Source(None, [f"No images: {where}. `--data DIR` says where it is."])


def _root(run: Run, name: str) -> DataRoot:
    """The data root, its images and splits where `run` had them; the images may have gone."""
    config = run.info.get("config", {})
    root = replace(resolve_root(name), splits=dict(config.get("split") or {}))
    try:
        return with_images(root, config.get("images"), [get_task(task) for task in run.tasks])
    except UserError:
        return root


def is_full(run: TaskRun) -> bool:
    """Whether the run has its questions and responses, which a stored baseline has not."""
    return any(record.prompt or record.response for record in run.records[:1])


def _file(root: DataRoot, key: str) -> ImageRef | None:
    try:
        image = root.image(key)
    except UserError:
        return None
    return image if image.path is not None and image.path.is_file() else None
