"""Where a model computes, and in which precision."""

from __future__ import annotations

import torch

from sqllava.errors import CheckpointError

_SHORT = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def find_device(name: str) -> torch.device:
    """``auto`` (CUDA where there is one, else the CPU), ``cpu``, ``cuda`` or ``cuda:N``. Raises CheckpointError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise CheckpointError(f"unknown device {name!r}; give auto, cpu, cuda or cuda:N") from None
    usable = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= usable:
        raise CheckpointError(f"device {name!r}: usable CUDA devices on this machine: {usable}")
    return device


def find_dtype(name: str, device: torch.device) -> torch.dtype:
    """``auto`` is bfloat16 on CUDA and float32 elsewhere. Raises CheckpointError."""
    known = {
        "auto": torch.bfloat16 if device.type == "cuda" else torch.float32,
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
    }
    if _SHORT.get(name, name) not in known:
        raise CheckpointError(f"unknown dtype {name!r}; give {', '.join(known)}")
    return known[_SHORT.get(name, name)]
