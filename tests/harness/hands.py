"""Models for workers: they look at the pixels as `shades.Looker` does, and fail as they are told by the loader's name.

Workers import this module in processes of their own.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence

from shades import Looker

from sqeval.config import RunConfig
from sqeval.errors import UserError
from sqeval.model import Completion, Group, Model
from sqeval.progress import Progress

POISON = "3.png"


def healthy(config: RunConfig, progress: Progress) -> Model:
    return Looker()


def slow(config: RunConfig, progress: Progress) -> Model:
    return Looker(lambda number: time.sleep(0.05))


def poisoned(config: RunConfig, progress: Progress) -> Model:
    """One image ends the process that looks at it."""
    return _Picky(lambda: os.kill(os.getpid(), signal.SIGKILL))


def raising(config: RunConfig, progress: Progress) -> Model:
    """One image is too much for the model."""
    return _Picky(_fail)


def telling(config: RunConfig, progress: Progress) -> Model:
    progress.note("half of the memory is used")
    return Looker()


def refusing(config: RunConfig, progress: Progress) -> Model:
    raise UserError(f"--ckpt {config.ckpt}: nothing is there")


def dying(config: RunConfig, progress: Progress) -> Model:
    os.kill(os.getpid(), signal.SIGKILL)
    return Looker()


class _Picky(Looker):
    def __init__(self, fail: object) -> None:
        super().__init__()
        self._fail = fail

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        for group in groups:
            if group.image is not None and group.image.key.endswith(POISON) and callable(self._fail):
                self._fail()
            yield from super().generate([group])


def _fail() -> None:
    raise RuntimeError("a tensor of the wrong size\nin layer 3")
