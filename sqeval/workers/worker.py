"""One worker: a process with the model loaded, which answers the portions that it is given."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqeval import __version__
from sqeval.errors import UserError
from sqeval.model import Completion, Group, Identity, Measured, Model, Work
from sqeval.progress import Progress, Silent
from sqeval.requirements import installed

if TYPE_CHECKING:
    from sqeval.config import RunConfig

Load = Callable[["RunConfig", Progress], Model]
TOGETHER = 64
"""Answers in a message; also the most that are lost with a worker though it had them."""
OFTEN = 0.5
"""Seconds between messages, if there is anything to say."""
PACKAGES = ("torch", "transformers", "tokenizers")
"""Packages besides ours whose versions may change answers."""


@dataclass(frozen=True)
class Ready:
    """What a worker says when its model is loaded."""

    node: str
    identity: Identity
    work: Work | None
    notes: Sequence[str]


@dataclass(frozen=True)
class Said:
    """A message of a worker that is answering."""

    answers: Sequence[Completion]
    seconds: float
    """Time that went into them."""
    work: Work | None
    """What the model did since it was loaded."""
    notes: Sequence[str]
    """Lines for the user."""


class Worker:
    """Runs in a process of its own, started by Ray. Its methods are called one after another."""

    def load(self, config: str, load: Load, home: str, paths: Sequence[str], packages: Mapping[str, str]) -> Ready:
        """Load the model.

        config: the run's configuration as JSON.
        home: the folder to which its relative paths belong.
        paths: files and folders that must be here.
        packages: versions that must be here.

        Raises UserError, naming this node, if they are not.
        """
        from sqeval.config import RunConfig

        self._node = socket.gethostname()
        _require_versions(self._node, packages)
        if Path(home).is_dir():
            os.chdir(home)
        _require_paths(self._node, paths)
        self._told = _Told()
        self._model = load(RunConfig.model_validate_json(config), self._told)
        return Ready(self._node, self._model.identity, self._work(), self._told.all())

    def answer(self, groups: Sequence[Group], folders: Sequence[str]) -> Iterator[Said]:
        """Answer every request of `groups`, whose images lie in `folders`; answers go out as they become known.

        Raises UserError, naming this node, if a folder is missing.
        """
        _require_paths(self._node, folders)
        began, answers = time.monotonic(), list[Completion]()
        for answer in self._model.generate(groups):
            answers.append(answer)
            now = time.monotonic()
            if len(answers) >= TOGETHER or now - began >= OFTEN:
                yield Said(answers, now - began, self._work(), self._told.all())
                began, answers = now, []
        yield Said(answers, time.monotonic() - began, self._work(), self._told.all())

    def _work(self) -> Work | None:
        return self._model.work() if isinstance(self._model, Measured) else None


class _Told(Silent):
    """Keeps the lines for the user until they are fetched."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    def note(self, what: str) -> None:
        self._notes.append(what)

    def all(self) -> list[str]:
        notes, self._notes = self._notes, []
        return notes


def versions() -> dict[str, str]:
    """Ours and those of `PACKAGES`, without the local part that tells builds for CPU and GPU apart."""
    return {"sqeval": __version__} | {name: (installed(name) or "none").partition("+")[0] for name in PACKAGES}


def _require_versions(node: str, wanted: Mapping[str, str]) -> None:
    wrong = [f"{name} {have} instead of {wanted[name]}" for name, have in versions().items() if have != wanted[name]]
    if wrong:
        raise UserError(f"node {node} has {', '.join(wrong)}; install the same versions on all machines")


def _require_paths(node: str, paths: Sequence[str]) -> None:
    for path in paths:
        if not Path(path).exists():
            raise UserError(
                f"node {node} has no {Path(path).absolute()}; checkpoint and data must lie on every machine under the "
                "same path"
            )
