"""Splits of a benchmark: which of them a data root holds, and the files that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqeval.data.root import DataRoot
    from sqeval.task import WantedFile


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
    """The first split whose questions `root` has; the first of all if it has none, so that its files are missed."""
    return next((split for split in splits if (root.path / split.questions).is_file()), splits[0])


def all_files(splits: Sequence[Split]) -> tuple[WantedFile, ...]:
    """Files of all splits, each once."""
    return tuple(dict.fromkeys(wanted for split in splits for wanted in split.files))
