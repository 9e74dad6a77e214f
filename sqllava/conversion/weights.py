"""Tensors in ``.safetensors`` and ``.bin`` files: listed without being loaded, read one at a time."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sqllava.conversion.layout import read_json
from sqllava.errors import CheckpointError

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""Stored types that are converted, by safetensors' names; others (integers, 8 bit floats) are quantised weights."""

_BUFFERS = ("I64", "I32")
"""Stored types of buffers that old checkpoints carry along, such as position ids."""

_KEPT_OPEN = 256 * 2**20
"""Bytes read from mapped files before they are closed, so that their pages do not count as this process's memory."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor on disk."""

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def model_files(folder: Path) -> list[Path]:
    """The files of a whole model in `folder`: by index, single, or all numbered shards; safetensors before ``.bin``.

    Raises CheckpointError if there are none, or not all of them.
    """
    for stem, kind in (("model", "safetensors"), ("pytorch_model", "bin")):
        index = folder / f"{stem}.{kind}.index.json"
        if index.is_file():
            return _indexed(index)
        if (folder / f"{stem}.{kind}").is_file():
            return [folder / f"{stem}.{kind}"]
        shards = sorted(folder.glob(f"{stem}-*-of-*.{kind}"))
        if shards:
            return _numbered(shards)
    raise CheckpointError(f"{folder}: has no weights: no model.safetensors, pytorch_model.bin, or shards of them")


def _indexed(index: Path) -> list[Path]:
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise CheckpointError(f"{index}: has no weight_map of tensor names to file names")
    files = {name: index.parent / name for name in sorted(set(names.values()))}
    missing = [name for name, file in files.items() if file.parent != index.parent or not file.is_file()]
    if missing:
        raise CheckpointError(f"{index}: lists files that are not in its folder: {', '.join(missing)}")
    return list(files.values())


def _numbered(shards: list[Path]) -> list[Path]:
    count = re.search(r"-of-(\d+)\.", shards[-1].name)
    if count is None or int(count[1]) != len(shards):
        raise CheckpointError(
            f"{shards[0].parent}: {len(shards)} of the shards that {shards[-1].name} counts; download the others"
        )
    return shards


def scan(files: Iterable[Path]) -> dict[str, Stored]:
    """Every tensor of `files`, by name.

    Raises CheckpointError for damaged files, pickled code, unsupported types, and a name that two files have.
    """
    found: dict[str, Stored] = {}
    for file in files:
        for one in _scan_safetensors(file) if file.suffix == ".safetensors" else _scan_pickle(file):
            if one.name in found:
                raise CheckpointError(f"{file}: tensor {one.name} is in {found[one.name].file.name} too")
            found[one.name] = one
    return found


def _scan_safetensors(file: Path) -> Iterable[Stored]:
    opened = _open_safetensors(file)
    for name in opened.keys():  # noqa: SIM118  (not a mapping)
        part = opened.get_slice(name)
        dtype = DTYPES.get(part.get_dtype(), torch.int64 if part.get_dtype() in _BUFFERS else None)
        if dtype is None:
            raise CheckpointError(
                f"{file}: tensor {name} is stored as {part.get_dtype()}; quantised weights are not supported"
            )
        yield Stored(file, name, tuple(part.get_shape()), dtype)


def _scan_pickle(file: Path) -> Iterable[Stored]:
    for name, tensor in _open_pickle(file).items():
        if tensor.dtype not in DTYPES.values() and tensor.dtype not in (torch.int64, torch.int32):
            raise CheckpointError(
                f"{file}: tensor {name} is stored as {tensor.dtype}; quantised weights are not supported"
            )
        yield Stored(file, name, tuple(tensor.shape), tensor.dtype)


def _open_safetensors(file: Path) -> Any:
    try:
        return safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{file}: is damaged, or not a safetensors file ({error}); fetch it again") from None


def _open_pickle(file: Path) -> Mapping[str, Tensor]:
    """A ``.bin`` file by weights-only loading, mapped rather than read where its format allows it."""
    try:
        value = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except Exception as error:  # zip, pickle and torch each raise their own kinds
        told = " ".join(str(error).split())
        if "Weights only load failed" not in told:
            raise CheckpointError(f"{file}: is damaged or cut short ({told[:120]}); fetch it again") from None
        named = re.search(r"\bGLOBAL ([\w.]+)", told)  # the rest is advice for programmers
        raise CheckpointError(
            f"{file}: holds more than tensors{f' (it calls {named[1]})' if named else ''} and may run code when it is"
            " loaded; it is read with weights-only loading, so it is refused. Ask for a safetensors version"
        ) from None
    if not isinstance(value, Mapping) or not all(isinstance(one, Tensor) for one in value.values()):
        raise CheckpointError(f"{file}: is not a mapping of names to tensors")
    return value


class Reader:
    """Reads tensors; files stay open between reads, and are let go of after some hundred megabytes."""

    def __init__(self) -> None:
        self._files: dict[Path, Any] = {}
        self._read = 0

    def read(self, one: Stored) -> Tensor:
        """The tensor itself, in memory of its own. Raises CheckpointError."""
        if self._read > _KEPT_OPEN:
            self._files.clear()
            self._read = 0
        self._read += one.nbytes
        if one.file not in self._files:
            opens = _open_safetensors if one.file.suffix == ".safetensors" else _open_pickle
            self._files[one.file] = opens(one.file)
        file = self._files[one.file]
        tensor: Tensor = file[one.name] if isinstance(file, Mapping) else file.get_tensor(one.name)
        return tensor.clone(memory_format=torch.contiguous_format)
