"""Adapters kept: those of both towers as one PEFT adapter over our model, which lies in a folder below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from sqllava.adapters import PREFIX, Lora, adapter_config, write_adapter_files
from sqllava.conversion.lora import Pair
from sqllava.conversion.plan import Plan
from sqllava.conversion.weights import Reader
from sqllava.errors import CheckpointError

BASE = "base"
"""The base model's folder, below the adapter's."""


def write_kept_adapter(folder: Path, plan: Plan, reader: Reader, wrote: Callable[[int], None]) -> None:
    """``adapter_model.safetensors`` and ``adapter_config.json``. Raises CheckpointError if there is no adapter.

    The adapter is held in memory: its ranks bound its size.
    """
    layers = {target.name.removesuffix(".weight"): target.pairs for target in plan.targets if target.pairs}
    if not layers:
        raise CheckpointError(f"{plan.layout.folder}: has no adapters to keep; leave out --keep-lora")
    dropout = max(float(adapter.settings.get("lora_dropout") or 0) for adapter in plan.adapters.values())
    tensors: dict[str, Tensor] = {}
    settings: dict[str, Lora] = {}
    for name, pairs in layers.items():
        a, b, scaling = joined(pairs, reader)
        rank = a.shape[0]
        alpha = scaling * rank
        settings[name] = Lora(rank, round(alpha) if abs(alpha - round(alpha)) < 1e-9 else alpha, dropout)
        tensors |= {f"{PREFIX}{name}.lora_A.weight": a, f"{PREFIX}{name}.lora_B.weight": b}
        wrote(sum(pair.nbytes for pair in pairs))
    write_adapter_files(folder, tensors, adapter_config(settings, base=BASE))


def joined(pairs: Sequence[Pair], reader: Reader) -> tuple[Tensor, Tensor, float]:
    """A (r×in), B (out×r) and scaling of all adapters of one layer.

    Two (of a tower that learnt within the language model's adapter too) make one of their ranks' sum:
    ``s₁·B₁·A₁ + s₂·B₂·A₂ = [s₁·B₁, s₂·B₂] · [A₁; A₂]``.
    """
    if len(pairs) == 1:
        return reader.read(pairs[0].a), reader.read(pairs[0].b), pairs[0].scaling
    dtype = pairs[0].a.dtype
    a = torch.cat([reader.read(pair.a).to(dtype) for pair in pairs])
    b = torch.cat([(reader.read(pair.b).float() * pair.scaling).to(dtype) for pair in pairs], dim=1)
    return a, b, 1.0
