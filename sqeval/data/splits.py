"""Splits of a benchmark: which of them a data root holds, and the files that belong to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqeval.errors import UserError

if TYPE_CHECKING:
    from sqeval.data.root import DataRoot
    from sqeval.task import Task, WantedFile


NO_SCORE = "no score: the answers are not public"


@dataclass(frozen=True, slots=True)
class Split:
    """One split and what is read of it."""

    name: str
    files: tuple[WantedFile, ...]
    """The first one is the file of its questions: a root that has it has the split."""
    images: str
    """Start of the images' paths under the data root."""
    public: bool = True
    """Whether its answers are; else only the evaluation server can score it."""

    @property
    def questions(self) -> str:
        """Path of the file of questions."""
        return self.files[0].path

    @property
    def version(self) -> str:
        """As a data version: what a reader of the results has to know."""
        return self.name if self.public else f"{self.name} ({NO_SCORE})"


def present(root: DataRoot, splits: Sequence[Split]) -> Split:
    """The split that `root` is read for. Else the first whose questions it has; the first of all if it has none, so
    that its files are missed."""
    if root.split is not None:
        return next(split for split in splits if split.name == root.split)
    return next((split for split in splits if (root.path / split.questions).is_file()), splits[0])


def parse_splits(text: str) -> dict[str, str]:
    """``vqav2=test-dev,mmbench=test``, split by task; ``test-dev`` alone, of the only task, stands under "".

    Raises ValueError.
    """
    chosen: dict[str, str] = {}
    for part in text.split(","):
        task, equals, name = (piece.strip() for piece in part.rpartition("="))
        if not name or (equals and not task) or task in chosen:
            raise ValueError(f"expected a split, or task=split separated by commas, found {text!r}")
        chosen[task] = name
    return chosen


def require_splits(tasks: Sequence[Task], chosen: Mapping[str, str]) -> None:
    """Raise UserError if a split is chosen that its task does not have, or of a task that is not among `tasks`."""
    by_name = {task.name: task for task in tasks}
    for name, split in chosen.items():
        if name not in by_name:
            raise UserError(f"--split {name}={split}: {name} is not among the tasks: {', '.join(by_name)}")
        known = by_name[name].selectable
        if split not in known:
            has = f"has the splits {', '.join(known)}" if known else "has one split only, leave it out"
            raise UserError(f"--split: {name} has no split {split!r}; it {has}")


def all_files(splits: Sequence[Split]) -> tuple[WantedFile, ...]:
    """Files of all splits, each once."""
    return tuple(dict.fromkeys(wanted for split in splits for wanted in split.files))
