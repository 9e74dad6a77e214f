"""Is a data root fit to be evaluated on?  Files, records and images of each task, all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqeval.data.intact import BadImage, image_problems
from sqeval.errors import UserError

if TYPE_CHECKING:
    from sqeval.data.images import ImageRef
    from sqeval.data.root import DataRoot
    from sqeval.task import Sample, Size, Task, WantedFile


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
    version: str | None = None
    """Data version, where the benchmark has several."""
    samples: int = 0
    images: int = 0
    """Different ones, there or not."""
    official: Size | None = None
    """How large this version officially is, if that is published."""
    missing_images: tuple[ImageRef, ...] = ()
    bad_images: tuple[BadImage, ...] = ()
    """Those that are there and cannot be read."""

    @property
    def ready(self) -> bool:
        return self.state == "ready"

    @property
    def state(self) -> str:
        """``ready``; ``files missing``, not all that is needed was ever put there; ``broken``, something is wrong with
        what was."""
        if self.missing:
            return "files missing"
        sound = self.problem is None and not self.missing_images and not self.bad_images
        return "ready" if sound and self.samples > 0 else "broken"

    @property
    def subset(self) -> bool:
        """Whether there are fewer samples than there should be."""
        return self.official is not None and 0 < self.samples < self.official.samples

    def to_json(self, shown: int) -> dict[str, Any]:
        """For programs; at most `shown` images of each kind are named."""
        bad = [{"image": bad.key, "problem": bad.problem} for bad in self.bad_images[:shown]]
        return {
            "task": self.task,
            "state": self.state,
            "missing": [{"path": wanted.path, "source": wanted.source} for wanted in self.missing],
            "absent": [{"path": wanted.path, "source": wanted.source} for wanted in self.absent],
            "problem": self.problem,
            "data_version": self.version,
            "questions": self.samples,
            "images": self.images,
            "official": self.official and {"questions": self.official.samples, "images": self.official.images},
            "missing_images": {
                "count": len(self.missing_images),
                "first": [image.key for image in self.missing_images[:shown]],
            },
            "unreadable_images": {"count": len(self.bad_images), "first": bad},
        }


def check_task(
    task: Task, root: DataRoot, *, decode: bool = False, progress: Callable[[int, int], None] | None = None
) -> TaskCheck:
    """Look for the task's files, read every record, and open every image.

    `decode` reads all pixels, in several processes, rather than the headers alone: slow, but finds truncated files.
    `progress` is called with the number of images that were opened, and that of all.
    """
    root = root.for_task(task.name)
    gone = [replace(wanted, path=root.place(wanted)) for wanted in task.wanted(root) if not root.has(wanted)]
    missing = tuple(wanted for wanted in gone if wanted.required)
    absent = tuple(wanted for wanted in gone if not wanted.required)
    if missing:
        return TaskCheck(task.name, missing, absent)
    try:
        samples = task.samples(root)
    except UserError as error:
        return TaskCheck(task.name, (), absent, problem=str(error))
    version = task.data_version(root, samples)
    images = distinct_images(samples)
    lost, bad = image_problems(images, decode, progress)
    return TaskCheck(
        task.name,
        (),
        absent,
        None if samples else "the files hold no sample",
        version,
        len(samples),
        len(images),
        None if root.name == "mini" else official_size(task, version, len(samples)),
        tuple(lost),
        tuple(bad),
    )


def official_size(task: Task, version: str | None, samples: int) -> Size | None:
    """Size of the version with this name; of an unnamed one, the smallest that `samples` may be a part of."""
    if version is not None:
        names = [name for name in task.sizes if version.startswith(name)]
        return task.sizes[max(names, key=len)] if names else None
    sizes = sorted(task.sizes.values(), key=lambda size: size.samples)
    return next((size for size in sizes if size.samples >= samples), sizes[-1] if sizes else None)


def distinct_images(samples: Sequence[Sample]) -> list[ImageRef]:
    """One reference for each image, in order of first use."""
    return list({sample.image.key: sample.image for sample in samples if sample.image is not None}.values())
