"""Is a data root fit to be evaluated on?  Files, records and images of each task, all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqeval.errors import UserError

if TYPE_CHECKING:
    from sqeval.data.images import ImageRef
    from sqeval.data.root import DataRoot
    from sqeval.task import Sample, Task, WantedFile


@dataclass(frozen=True, slots=True)
class BadImage:
    """An image that cannot be asked about, and why."""

    key: str
    problem: str


@dataclass(frozen=True, slots=True)
class TaskCheck:
    """What was found of one task under a data root."""

    task: str
    missing: tuple[WantedFile, ...]
    """Required files that are not there; the records were then not read."""
    absent: tuple[WantedFile, ...]
    """Optional files that are not there."""
    problem: str | None = None
    """The first malformed record, as one line."""
    samples: int = 0
    images: int = 0
    bad_images: tuple[BadImage, ...] = ()

    @property
    def ready(self) -> bool:
        return not self.missing and self.problem is None and self.samples > 0 and not self.bad_images


def check_task(
    task: Task, root: DataRoot, *, decode: bool = False, progress: Callable[[int], None] | None = None
) -> TaskCheck:
    """Look for the task's files, read every record, and open every image.

    `decode` reads all pixels rather than the headers alone: slow, but finds truncated files.  `progress` is called
    with the number of images that are left.
    """
    gone = [wanted for wanted in task.wanted(root) if not any(root.path.glob(wanted.path))]
    missing = tuple(wanted for wanted in gone if wanted.required)
    absent = tuple(wanted for wanted in gone if not wanted.required)
    if missing:
        return TaskCheck(task.name, missing, absent)
    try:
        samples = task.samples(root)
    except UserError as error:
        return TaskCheck(task.name, (), absent, problem=str(error))
    images = distinct_images(samples)
    bad = []
    for left, image in zip(range(len(images) - 1, -1, -1), images, strict=True):
        problem = image_problem(image, decode)
        if problem is not None:
            bad.append(BadImage(image.key, problem))
        if progress is not None:
            progress(left)
    problem = None if samples else "the files hold no sample"
    return TaskCheck(task.name, (), absent, problem, len(samples), len(images), tuple(bad))


def distinct_images(samples: Sequence[Sample]) -> list[ImageRef]:
    """One reference for each image, in order of first use."""
    return list({sample.image.key: sample.image for sample in samples if sample.image is not None}.values())


def image_problem(image: ImageRef, decode: bool) -> str | None:
    """Why the image cannot be used, or None."""
    try:
        if decode:
            image.open()
        else:
            image.size()
    except FileNotFoundError:
        return "missing"
    except (OSError, ValueError) as error:
        return str(error)
    return None
