"""Training steps as a dataset: item k is what one process computes in step k."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from sqllava.errors import SqLlavaError
from sqllava.training.collate import collate
from sqllava.training.conversations import TrainingDataError
from sqllava.training.drawing import Draw, Mixture, Numbers, StepPlan
from sqllava.training.encode import Encoded, Encoder
from sqllava.training.pictures import BadPictureError, PictureReader
from sqllava.training.recipe import Stage

Extras = Callable[[list[str]], dict[str, Tensor]]
"""Image names of a micro-batch, in order -> more tensors for it."""

CHARACTERS_A_TOKEN = 4
"""For guessing at lengths before anything is tokenized."""


@dataclass
class Step:
    """One process's share of a step."""

    epoch: int
    micro_batches: list[dict[str, Tensor]]
    """As `collate` makes them; equally many in every process and step."""
    bad: list[str] = field(default_factory=list)
    """A message for each sample that was left out because its image cannot be read."""

    def pin_memory(self) -> Step:
        """The same in page-locked memory; DataLoader calls it."""
        pinned = [{name: tensor.pin_memory() for name, tensor in batch.items()} for batch in self.micro_batches]
        return Step(self.epoch, pinned, self.bad)


class Steps(Protocol):
    """Every step of a stage, as one process computes it."""

    def __len__(self) -> int: ...
    def __getitem__(self, step: int) -> Step: ...


class StepDataset:
    """The steps of a stage as process `rank` of `processes` computes them.

    pictures  None for a model that sees no images
    extras    called with the image names of each micro-batch that has images

    The processes split a batch so that their micro-batches are of about equal length. Raises SqLlavaError if the batch
    cannot be split evenly.
    """

    def __init__(
        self, plan: StepPlan, mixture: Mixture, encoder: Encoder, pictures: PictureReader | None, stage: Stage,
        rank: int = 0, processes: int = 1, *, extras: Extras | None = None,
    ) -> None:  # fmt: skip
        self.plan, self.mixture, self.encoder, self.pictures = plan, mixture, encoder, pictures
        self.rank, self.processes, self.extras, self.packing = rank, processes, extras, stage.packing
        micro = stage.micro_batch_size or max(1, stage.batch_size // processes)
        if stage.batch_size % (processes * micro):
            raise SqLlavaError(
                f"stage {stage.name}: batch_size {stage.batch_size} cannot be split among {processes} processes in"
                f" micro-batches of {micro}; choose a multiple of {processes * micro}"
            )
        if (pictures is not None) != encoder.sees_images:
            raise ValueError("pictures are for models that see images, and those need them")
        self.micro_batch_size = micro

    def __len__(self) -> int:
        return self.plan.steps

    def __getitem__(self, step: int) -> Step:
        draw = self.plan[step]
        result = Step(draw.epoch, [])
        for places in self._share(draw):
            result.micro_batches.append(self._micro_batch(draw, places, result.bad))
        return result

    def _share(self, draw: Draw) -> Numbers:
        """(micro-batches, samples) places in the draw that this process computes.

        Samples of similar length meet in the same micro-batch, and the processes' lengths in it are even: sorted, then
        dealt to and fro.
        """
        images = self.mixture.has_image[draw.numbers] * self.encoder.processor.image_seq_length
        guess = self.mixture.lengths[draw.numbers] // CHARACTERS_A_TOKEN + (images if self.encoder.sees_images else 0)
        guess = np.minimum(guess, self.encoder.max_length)
        order = np.argsort(-guess, kind="stable").reshape(-1, self.micro_batch_size, self.processes)
        order[:, 1::2] = order[:, 1::2, ::-1]
        return order[:, :, self.rank]

    def _micro_batch(self, draw: Draw, places: Numbers, bad: list[str]) -> dict[str, Tensor]:
        samples: list[Encoded] = []
        pictures: list[Tensor] = []
        for number, reading in zip(draw.numbers[places].tolist(), draw.readings[places].tolist(), strict=True):
            conversation = self.mixture[number]
            encoded = self.encoder(conversation, number, reading)
            if encoded.image is not None and self.pictures is not None:
                try:
                    pictures.append(self.pictures.read(encoded.image))
                except BadPictureError as error:
                    file, index = self.mixture.locate(number)
                    bad.append(f"{file.path}: sample {index} (id {conversation.id!r}): {error}")
                    continue
            samples.append(encoded)
        batch = collate(samples, pictures, packing=self.packing, pad_id=self.encoder.processor.pad_id)
        names = [sample.image for sample in samples if sample.image is not None]
        if self.extras is not None and names:
            batch |= self.extras(names)
        return batch


def loader(dataset: Steps, start: int = 0, workers: int = 0) -> Iterator[Step]:
    """The steps from `start` to the end in order, prepared by `workers` processes (0: in this one).

    Neither the number of workers nor where it starts changes a step, and no global random numbers are drawn. In
    page-locked memory where there is a GPU. What goes wrong in a worker with a SqLlavaError is raised here.
    """
    # A sample is two pieces of text: threads cost more than they gain, and would not survive the workers' fork.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for step in DataLoader(
        _Guarded(dataset),  # type: ignore[arg-type]  # a Dataset in all but name
        batch_size=None,
        sampler=range(start, len(dataset)),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # the loader draws from the global one otherwise
    ):
        if isinstance(step, SqLlavaError):
            raise step
        yield step


@dataclass
class _Guarded:
    """Hands errors over as items: DataLoader would wrap their message in a worker's traceback."""

    steps: Steps

    def __getitem__(self, step: int) -> Step | SqLlavaError:
        try:
            return self.steps[step]
        except SqLlavaError as error:
            return TrainingDataError(str(error))
