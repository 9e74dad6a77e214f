"""Micro-batches: packed or padded, they hold the same tokens, kinds, positions and pictures."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sqllava.training.collate import collate
from sqllava.training.encode import Encoded

PAD = 9

encoded = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 2)), min_size=1, max_size=12).map(
    lambda tokens: Encoded([t for t, _ in tokens], [k for _, k in tokens], None)
)


def by_sample(batch: dict[str, Tensor], name: str, lengths: list[int]) -> list[list[int]]:
    """The samples' own parts of a padded or packed tensor."""
    rows = batch[name].split(lengths, 1) if "lengths" in batch else batch[name].split(1)
    return [row[0, :length].tolist() for row, length in zip(rows, lengths, strict=True)]


@given(st.lists(encoded, min_size=1, max_size=6))
@settings(deadline=None)
def test_packed_and_padded_hold_the_same(samples: list[Encoded]) -> None:
    lengths = [len(sample.ids) for sample in samples]
    packed, padded = (collate(samples, [], packing=packing, pad_id=PAD) for packing in (True, False))
    for batch in (packed, padded):
        assert by_sample(batch, "input_ids", lengths) == [sample.ids for sample in samples]
        assert by_sample(batch, "kinds", lengths) == [sample.kinds for sample in samples]
        assert by_sample(batch, "position_ids", lengths) == [list(range(length)) for length in lengths]
        assert batch["input_ids"].dtype == batch["position_ids"].dtype == torch.int64
        assert batch["kinds"].dtype == torch.uint8
        assert "pixel_values" not in batch
    assert packed["lengths"].tolist() == lengths
    assert packed["input_ids"].shape == (1, sum(lengths))
    assert "lengths" not in padded
    assert padded["input_ids"].shape == padded["position_ids"].shape == (len(samples), max(lengths))
    # Right of the samples is padding, and nothing is learnt from it.
    outside = torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]
    assert bool((padded["input_ids"][outside] == PAD).all())
    assert not padded["kinds"][outside].any()


def test_pictures_come_in_the_order_of_the_samples() -> None:
    pictures = [torch.full((3, 2, 2), float(i)) for i in range(3)]
    batch = collate([Encoded([1], [0], "x")] * 3, pictures, packing=True, pad_id=PAD)
    assert batch["pixel_values"][:, 0, 0, 0].tolist() == [0, 1, 2]
    assert batch["pixel_values"].shape == (3, 3, 2, 2)


def test_no_samples_make_one_padding_token_that_counts_for_nothing() -> None:
    for packing in (True, False):
        batch = collate([], [], packing=packing, pad_id=PAD)
        assert batch["input_ids"].tolist() == [[PAD]]
        assert batch["position_ids"].tolist() == batch["kinds"].tolist() == [[0]]
        assert set(batch) == {"input_ids", "position_ids", "kinds"} | ({"lengths"} if packing else set())
    assert collate([], [], packing=True, pad_id=PAD)["lengths"].tolist() == [1]
