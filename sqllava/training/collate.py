"""Encoded samples as the tensors of one forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sqllava.training.encode import Encoded


def collate(samples: Sequence[Encoded], pictures: Sequence[Tensor], *, packing: bool, pad_id: int) -> dict[str, Tensor]:
    """A micro-batch of R rows and T columns.

    input_ids      R×T int64
    position_ids   R×T int64, from 0 in each sample
    kinds          R×T uint8, 0 not supervised, 1 answer, 2 question (`sqllava.training.encode`)
    lengths        with packing, where R is 1 and T the sum: tokens of each sample, int64
    pixel_values   I×3×S×S float32 in the order of the samples, if there are pictures

    Without packing, samples are rows, filled up on the right with `pad_id`. No samples at all (every one had a broken
    picture) make a micro-batch of a single padding token that nothing is learnt from: all processes still compute the
    same number of them.
    """
    samples = samples or [Encoded([pad_id], [0], None)]
    batch = _packed(samples) if packing else _padded(samples, pad_id)
    if pictures:
        batch["pixel_values"] = torch.stack(list(pictures))
    return batch


def _packed(samples: Sequence[Encoded]) -> dict[str, Tensor]:
    return {
        "input_ids": torch.tensor([[token for sample in samples for token in sample.ids]]),
        "position_ids": torch.cat([torch.arange(len(sample.ids)) for sample in samples])[None],
        "kinds": torch.tensor([[kind for sample in samples for kind in sample.kinds]], dtype=torch.uint8),
        "lengths": torch.tensor([len(sample.ids) for sample in samples]),
    }


def _padded(samples: Sequence[Encoded], pad_id: int) -> dict[str, Tensor]:
    width = max(len(sample.ids) for sample in samples)
    rows = [sample.ids + [pad_id] * (width - len(sample.ids)) for sample in samples]
    kinds = [sample.kinds + [0] * (width - len(sample.kinds)) for sample in samples]
    return {
        "input_ids": torch.tensor(rows),
        "position_ids": torch.arange(width).repeat(len(samples), 1),
        "kinds": torch.tensor(kinds, dtype=torch.uint8),
    }
