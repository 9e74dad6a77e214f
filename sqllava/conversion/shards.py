"""Writing safetensors files tensor by tensor, so that a file may be larger than memory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from sqllava.conversion.weights import DTYPES

SHARD_BYTES = 5 * 10**9
"""Largest file that is written, unless a single tensor is larger."""

_CODES = {dtype: code for code, dtype in DTYPES.items()}


class Planned(Protocol):
    """A tensor that will be written: everything but its values is known."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> torch.dtype: ...
    @property
    def nbytes(self) -> int: ...


P = TypeVar("P", bound=Planned)


def write_safetensors(file: Path, planned: Iterable[P], make: Callable[[P], Tensor]) -> None:
    """One safetensors file: eight bytes of header length, a header in JSON, then the values in its order.

    `make` gives a tensor of the planned shape and type; each is let go of before the next is made. The library's
    own writer takes all tensors of a file at once, which is gigabytes.
    """
    # Widest type first, as safetensors itself does: each tensor then starts at a multiple of its item size.
    ordered = sorted(planned, key=lambda one: -one.dtype.itemsize)
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for one in ordered:
        start, end = end, end + one.nbytes
        header[one.name] = {"dtype": _CODES[one.dtype], "shape": list(one.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for one in ordered:
            tensor = make(one)
            if tensor.dtype != one.dtype or tuple(tensor.shape) != one.shape:
                raise RuntimeError(f"{one.name}: made {tuple(tensor.shape)} {tensor.dtype} for {one}")
            stream.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        stream.flush()
        os.fsync(stream.fileno())


def write_model(
    folder: Path, planned: Iterable[P], make: Callable[[P], Tensor], shard_bytes: int = SHARD_BYTES
) -> None:
    """``model.safetensors``, or numbered shards and their index, as transformers reads them."""
    shards = list(_split(planned, shard_bytes))
    if len(shards) == 1:
        write_safetensors(folder / "model.safetensors", shards[0], make)
        return
    places: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        write_safetensors(folder / name, shard, make)
        places |= {one.name: name for one in shard}
    _write_index(folder / "model.safetensors.index.json", places, sum(one.nbytes for shard in shards for one in shard))


def _split(planned: Iterable[P], limit: int) -> Iterator[list[P]]:
    shard: list[P] = []
    size = 0
    for one in planned:
        if shard and size + one.nbytes > limit:
            yield shard
            shard, size = [], 0
        shard.append(one)
        size += one.nbytes
    yield shard


def _write_index(file: Path, places: Mapping[str, str], total: int) -> None:
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
    file.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
