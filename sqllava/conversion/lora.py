"""LoRA adapters in PEFT's format: their settings, their pairs of matrices, and what a pair adds to a weight."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from sqllava.conversion.layout import read_json, stored_as
from sqllava.conversion.names import listed
from sqllava.conversion.weights import Reader, Stored, scan
from sqllava.errors import CheckpointError

_USED = frozenset({"peft_type", "r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "bias"})
_WITHOUT_EFFECT = frozenset(
    {
        # How it was made and where it goes, which the pairs themselves tell.
        *("auto_mapping", "base_model_name_or_path", "revision", "peft_version", "task_type", "inference_mode"),
        *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "lora_dropout"),
        *("megatron_core", "qalora_group_size", "runtime_config", "ensure_weight_tying"),
        # Of layers that store their weight transposed, which no LLaMA or CLIP has; PEFT itself sets it back for others.
        "fan_in_fan_out",
    }
)
_INITS = (True, False, None, "gaussian", "eva", "orthogonal")
"""Ways to start an adapter that leave the base model's weights alone (PiSSA, OLoRA, LoftQ and CorDA do not)."""

_KEY = re.compile(r"(.+)\.lora_([AB])(?:\.[^.]+)?\.weight")


@dataclass(frozen=True, slots=True)
class Pair:
    """One adapted layer: its weight gains ``scaling · B · A``, with A of r×in and B of out×r."""

    a: Stored
    b: Stored
    rank: int
    scaling: float

    @property
    def nbytes(self) -> int:
        """Size of both matrices in bytes."""
        return self.a.nbytes + self.b.nbytes

    def delta(self, reader: Reader) -> Tensor:
        """What merging adds, out×in in float32."""
        return (reader.read(self.b).float() @ reader.read(self.a).float()).mul_(self.scaling)


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter folder."""

    files: tuple[Path, ...]
    settings: Mapping[str, Any]
    pairs: Mapping[str, Pair]
    """By our name of the weight that they change."""
    left: tuple[str, ...] = ()
    """Stored keys that are knowingly not used."""

    def summary(self) -> str:
        """For people: ranks, alphas and the number of layers."""
        ranks = sorted({pair.rank for pair in self.pairs.values()})
        alpha = self.settings.get("lora_alpha")
        varied = " (with exceptions)" if self.settings.get("alpha_pattern") else ""
        left = f"; {len(self.left)} tensors of the vision tower not used" if self.left else ""
        return f"rank {', '.join(map(str, ranks))}, alpha {alpha}{varied}, {len(self.pairs)} layers{left}"


def read_adapter(
    folder: Path, our_name: Callable[[str], str | None], spare: Callable[[str], bool] = lambda name: False
) -> Adapter:
    """The adapter in `folder`; `our_name` translates the names of weights, `spare` says which are not to be used.

    Raises CheckpointError for missing files, settings whose effect is not known here, keys that are no LoRA pair, and
    ranks that are not those of the settings.
    """
    file = stored_as(folder, "adapter_model")
    config = folder / "adapter_config.json"
    if file is None or not config.is_file():
        raise CheckpointError(f"{folder}: needs adapter_config.json and adapter_model.safetensors or adapter_model.bin")
    settings = read_json(config)
    _check_settings(config, settings)
    halves: dict[str, dict[str, Stored]] = {}
    foreign: list[str] = []
    left: list[str] = []
    for key, stored in scan([file]).items():
        found = _KEY.fullmatch(key)
        if found is not None and spare(f"{found[1]}.weight"):
            left.append(key)
        elif found is None or our_name(f"{found[1]}.weight") is None:
            foreign.append(key)
        else:
            halves.setdefault(found[1], {})[found[2]] = stored
    foreign += [f"{module} (one half of its pair)" for module, pair in halves.items() if len(pair) < 2]
    if foreign:
        raise CheckpointError(f"{file}: {len(foreign)} keys that are no LoRA of this model: {listed(foreign)}")
    if not halves:
        raise CheckpointError(f"{file}: holds no LoRA pairs")
    pairs = {str(our_name(f"{module}.weight")): _pair(module, half, settings) for module, half in halves.items()}
    if len(pairs) < len(halves):
        raise CheckpointError(f"{file}: two pairs for the same layer, under names that differ in their prefix")
    return Adapter((config, file), settings, pairs, tuple(left))


def _check_settings(config: Path, settings: Mapping[str, Any]) -> None:
    if settings.get("peft_type", "LORA") != "LORA":
        raise CheckpointError(f"{config}: peft_type is {settings['peft_type']!r}; only LORA is supported")
    if settings.get("bias", "none") != "none":
        raise CheckpointError(f"{config}: bias is {settings['bias']!r}; only adapters without biases are supported")
    if settings.get("init_lora_weights") not in _INITS:
        raise CheckpointError(
            f"{config}: init_lora_weights is {settings['init_lora_weights']!r}, which changes the base model's weights"
            " too; convert the adapter to a plain LoRA with PEFT first"
        )
    known = _USED | _WITHOUT_EFFECT | {"init_lora_weights"}
    unknown = {name: value for name, value in settings.items() if name not in known and value}
    if unknown:
        told = ", ".join(f"{name} = {value!r}" for name, value in sorted(unknown.items()))
        raise CheckpointError(f"{config}: settings that cannot be merged: {told}; merge the adapter with PEFT first")
    for name in ("r", "lora_alpha"):
        if not isinstance(settings.get(name), int | float) or settings[name] <= 0:
            raise CheckpointError(f"{config}: {name} is {settings.get(name)!r}; a positive number was expected")


def _pair(module: str, half: Mapping[str, Stored], settings: Mapping[str, Any]) -> Pair:
    a, b = half["A"], half["B"]
    path = module.removeprefix("base_model.model.")
    rank = int(_patterned(settings.get("rank_pattern"), path, settings["r"]))
    alpha = float(_patterned(settings.get("alpha_pattern"), path, settings["lora_alpha"]))
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[0] != rank or b.shape[1] != rank:
        raise CheckpointError(
            f"{a.file}: {module}: A is {_by(a.shape)} and B is {_by(b.shape)}, adapter_config.json gives rank {rank}"
        )
    return Pair(a, b, rank, alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank))


def _patterned(patterns: object, module: str, default: float) -> float:
    """PEFT's rule: the first pattern that matches the module's path, or its end from a dot on."""
    for pattern, value in (patterns if isinstance(patterns, Mapping) else {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return float(value)
    return default


def _by(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
