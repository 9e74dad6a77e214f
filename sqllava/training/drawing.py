"""Which samples each optimizer step reads: a function of the seed, the step and the data, and of nothing else."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sqllava.training.conversations import Conversation, ConversationFile, TrainingDataError
from sqllava.training.recipe import Stage

Numbers = NDArray[np.int64]

SPAN = 50
"""Batches that are sorted by length together: short enough that batches still differ from epoch to epoch."""


class Draw(NamedTuple):
    """Samples to read, in order."""

    epoch: int
    numbers: Numbers
    """(samples,) places in the mixture."""
    readings: Numbers
    """(samples,) how often each was read before in the stage. The epoch, unless a file is weighted."""


def generator(*parts: object) -> np.random.Generator:
    """Random numbers that depend on `parts` alone."""
    return np.random.default_rng(list("/".join(map(str, parts)).encode()))


class Mixture:
    """Several files as one: sample numbers run through the first, then the second, and so on.

    A file of weight w is read w times an epoch: 2 reads every sample twice; 0.25 a quarter of them, in the next epoch
    another quarter, and a new order after every sample had its turn.
    """

    def __init__(self, files: Sequence[ConversationFile], weights: Sequence[float]) -> None:
        self.files, self.weights = tuple(files), [Fraction(w).limit_denominator(10**6) for w in weights]
        self._starts = [0, *np.cumsum([len(file) for file in files]).tolist()]
        self.has_image: NDArray[np.bool_] = np.concatenate([file.has_image for file in files])
        """(samples,)"""
        self.lengths: Numbers = np.concatenate([file.lengths for file in files])
        """(samples,) characters."""

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, number: int) -> Conversation:
        file, place = self.locate(number)
        return file[place]

    def locate(self, number: int) -> tuple[ConversationFile, int]:
        """The file that sample `number` stands in, and its number there."""
        k = bisect_right(self._starts, number) - 1
        return self.files[k], number - self._starts[k]

    def epoch(self, seed: int, epoch: int) -> Draw:
        """Everything that is read in an epoch, file by file."""
        parts = [self._file(k, seed, epoch) for k in range(len(self.files))]
        numbers, readings = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        return Draw(epoch, numbers, readings)

    def _file(self, k: int, seed: int, epoch: int) -> tuple[Numbers, Numbers]:
        """A file is an endless line of shuffles of itself, of which each epoch reads the next part."""
        size, weight = len(self.files[k]), self.weights[k]
        places = np.arange(floor(epoch * weight * size), floor((epoch + 1) * weight * size))
        rounds, within = places // size, places % size
        numbers = np.empty_like(places)
        for r in np.unique(rounds):
            here = rounds == r
            numbers[here] = generator("file", seed, k, r).permutation(size)[within[here]]
        return numbers + self._starts[k], rounds


class StepPlan:
    """The samples of every step of a stage, in batches of `stage.batch_size`.

    With `stage.group_by_length`, a batch has samples of one modality (with image, or without) and of similar length.
    What does not fill a last batch, of each modality, is left out of the epoch, another part each time.

    Raises TrainingDataError if an epoch has not one full batch.
    """

    def __init__(self, mixture: Mixture, stage: Stage, seed: int) -> None:
        self.mixture, self.seed = mixture, seed
        self.batch_size, self.group_by_length = stage.batch_size, stage.group_by_length
        self._ends: list[int] = []  # steps until the end of each epoch
        self._current: tuple[int, Numbers, Numbers] | None = None
        self.steps = stage.steps if stage.steps is not None else self._steps(Fraction(str(stage.epochs)))

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Draw:
        """The global batch of a step."""
        if not 0 <= step < self.steps:
            raise IndexError(step)
        while not self._ends or self._ends[-1] <= step:
            self._load(len(self._ends))
        epoch = bisect_right(self._ends, step)
        self._load(epoch)
        assert self._current is not None
        _, numbers, readings = self._current
        row = step - (self._ends[epoch - 1] if epoch else 0)
        return Draw(epoch, numbers[row], readings[row])

    def _steps(self, epochs: Fraction) -> int:
        """Steps of so many epochs; of the last one maybe only the beginning."""
        whole = floor(epochs)
        for epoch in range(whole + (epochs > whole)):
            self._load(epoch)
        done = self._ends[whole - 1] if whole else 0
        rest = round((self._ends[whole] - done) * (epochs - whole)) if epochs > whole else 0
        return max(1, done + rest)

    def _load(self, epoch: int) -> None:
        """Make `epoch` the current one."""
        if self._current is not None and self._current[0] == epoch:
            return
        draw = self.mixture.epoch(self.seed, epoch)
        order = self._batches(draw.numbers, generator("batches", self.seed, epoch))
        if not len(order):
            kind = " with an image, nor without one" if self.group_by_length else ""
            raise TrainingDataError(
                f"{', '.join(str(file.path) for file in self.mixture.files)}: an epoch has {len(draw.numbers)} samples,"
                f" not the {self.batch_size} of a batch{kind}; choose a smaller batch_size"
            )
        self._current = epoch, draw.numbers[order], draw.readings[order]
        if epoch == len(self._ends):
            self._ends.append((self._ends[-1] if epoch else 0) + len(order))

    def _batches(self, numbers: Numbers, rng: np.random.Generator) -> Numbers:
        """(batches, batch_size) places in `numbers`."""
        places = rng.permutation(len(numbers))
        if not self.group_by_length:
            return self._full(places)
        seen = self.mixture.has_image[numbers[places]]
        batches = [self._full(self._sorted(places[seen == modality], numbers)) for modality in (True, False)]
        return rng.permutation(np.concatenate(batches))

    def _full(self, places: Numbers) -> Numbers:
        count = len(places) // self.batch_size
        return places[: count * self.batch_size].reshape(count, self.batch_size)

    def _sorted(self, places: Numbers, numbers: Numbers) -> Numbers:
        # What is left over is cut off before sorting: it should not always be the longest.
        places = places[: len(places) // self.batch_size * self.batch_size]
        spans = np.arange(len(places)) // (SPAN * self.batch_size)
        return places[np.lexsort((self.mixture.lengths[numbers[places]], spans))]
