"""Which images are missing, and which cannot be read: many at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqeval.data.images import ImageRef

THREADS = 16
"""Headers wait for the disk or the network, not for a processor."""
FEW = 64
"""So many images are decoded before a second process has started."""
CHUNK = 16
"""Images that a process takes at once."""


@dataclass(frozen=True, slots=True)
class BadImage:
    """An image that cannot be asked about, and why."""

    key: str
    problem: str


def image_problems(
    images: Sequence[ImageRef], decode: bool, progress: Callable[[int, int], None] | None = None
) -> tuple[list[ImageRef], list[BadImage]]:
    """Images that are missing, and those that are there and unreadable, each in the order of `images`.

    `decode` reads all pixels, in as many processes as there are processors; else the headers are read.
    `progress` is called with the number of images that were opened, and that of all.
    """
    lost, bad = [], []
    with _executor(decode and len(images) > FEW) as executor:
        found = executor.map(partial(image_problem, decode=decode), images, chunksize=CHUNK)
        for done, (image, problem) in enumerate(zip(images, found, strict=True), 1):
            if problem == "":
                lost.append(image)
            elif problem is not None:
                bad.append(BadImage(image.key, problem))
            if progress is not None:
                progress(done, len(images))
    return lost, bad


def image_problem(image: ImageRef, decode: bool) -> str | None:
    """Why the image cannot be read; empty if there is none; None if all is well."""
    try:
        if decode:
            image.open()
        else:
            image.size()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__
    return None


def _executor(processes: bool) -> Executor:
    # Started anew rather than forked: a progress bar has threads.
    return ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) if processes else ThreadPoolExecutor(THREADS)
