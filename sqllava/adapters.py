"""LoRA adapters as PEFT folders: written after training or conversion, attached and merged when loaded.

An adapter folder is one standard PEFT adapter over `SqLlavaForConditionalGeneration`, whatever parts it covers: ranks
of the vision tower that differ from the language model's stand in `rank_pattern` and `alpha_pattern`, parts trained in
full in `modules_to_save`. ``PeftModel.from_pretrained(base, folder)`` reads it without this package's help.
"""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqllava.errors import CheckpointError

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig
    from torch import nn

    from sqllava.modeling import SqLlavaForConditionalGeneration

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
"""What PEFT puts before the names of the model's parameters."""
MODULES = {
    "vision_tower": ("model.vision_tower",),
    "projector": ("model.multi_modal_projector",),
    "language_model": ("model.language_model", "lm_head"),
}
"""Part, as recipes name it -> the modules it consists of."""

_NAME = "default"
"""PEFT's own name for an only adapter."""


@dataclass(frozen=True, slots=True)
class Lora:
    """The adapter of one Linear: its weight changes by ``alpha / r * B @ A``."""

    r: int
    alpha: float
    dropout: float = 0.0
    """Used in training only."""


def adapter_config(modules: Mapping[str, Lora], *, base: str, full: Iterable[str] = ()) -> LoraConfig:
    """PEFT's configuration for LoRA in the Linear modules named (``model.language_model.layers.0...``).

    base: the checkpoint underneath: packaged name, hub id, absolute path, or path relative to the adapter folder.
    full: parts of `MODULES` that were trained in full.

    PEFT keeps one dropout only: that of most modules. Raises CheckpointError if there is no module or an unknown part.
    """
    from peft import LoraConfig

    whole = set(full)
    unknown = sorted(whole - set(MODULES))
    if unknown:
        raise CheckpointError(f"adapter: unknown part {', '.join(unknown)}; parts are {', '.join(MODULES)}")
    if not modules:
        raise CheckpointError("adapter: no module has a LoRA layer; save the whole model with save_pretrained instead")
    usual = Counter(modules.values()).most_common(1)[0][0]
    return LoraConfig(
        r=usual.r,
        lora_alpha=usual.alpha,  # type: ignore[arg-type]  # PEFT declares int and computes with either
        lora_dropout=usual.dropout,
        target_modules=sorted(modules),
        rank_pattern=_pattern({name: lora.r for name, lora in modules.items()}, usual.r),
        alpha_pattern=_pattern({name: lora.alpha for name, lora in modules.items()}, usual.alpha),
        modules_to_save=[module for part in MODULES if part in whole for module in MODULES[part]] or None,
        base_model_name_or_path=base,
        auto_mapping={"base_model_class": "SqLlavaForConditionalGeneration", "parent_library": "sqllava.modeling"},
        inference_mode=True,
    )


def write_adapter(
    folder: Path,
    model: nn.Module,
    *,
    base: str,
    full: Sequence[str] = (),
    state: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write the adapter of `model`, a `SqLlavaForConditionalGeneration` into which PEFT has injected LoRA layers.

    base, full: as in `adapter_config`.
    state: the model's parameters by name where they are sharded and were gathered before; None: `model`'s own.

    The folder is complete once ``adapter_config.json``, written last, is there; the processor is the caller's to save
    beside it. Raises CheckpointError as `adapter_config` does, and for layers that are no plain LoRA.
    """
    modules = {name: _lora(name, layer) for name, layer in _layers(model)}
    config = adapter_config(modules, base=base, full=full)
    values = model.state_dict() if state is None else state
    tensors = {
        f"{PREFIX}{name}.{side}.weight": values[f"{name}.{side}.{_NAME}.weight"]
        for name in modules
        for side in ("lora_A", "lora_B")
    }
    whole = tuple(f"{module}." for module in config.modules_to_save or ())
    tensors |= {f"{PREFIX}{name}": value for name, value in values.items() if whole and name.startswith(whole)}
    write_adapter_files(folder, tensors, config)


def write_adapter_files(folder: Path, tensors: Mapping[str, torch.Tensor], config: LoraConfig) -> None:
    """Write an adapter's tensors, by PEFT's names on disk, and then its configuration."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    # Tied parameters are written twice; safetensors refuses tensors that share memory.
    ready = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}
    save_file(ready, folder / WEIGHTS, metadata={"format": "pt"})
    # PEFT holds modules as a set; sorted, so that the same adapter is the same file.
    value = {key: sorted(entry) if isinstance(entry, set) else entry for key, entry in config.to_dict().items()}  # type: ignore[no-untyped-call]
    (folder / CONFIG).write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def attach_and_merge(model: SqLlavaForConditionalGeneration, folder: Path) -> SqLlavaForConditionalGeneration:
    """`model` with the adapter of `folder` attached by PEFT and merged into its weights, in place.

    Raises CheckpointError if the adapter cannot be read, does not fit, or has missing, unused or misshapen weights.
    """
    from peft import PeftModel
    from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors.torch import load_file

    config = read_adapter_config(folder)
    try:
        with warnings.catch_warnings():
            # PEFT asks transformers for an attribute under its former name.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            wrapped = PeftModel(model, config)
        stored = load_file(folder / WEIGHTS)
        expected = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
        _require_fit(folder, expected, stored)
        set_peft_model_state_dict(wrapped, stored)
        merged: SqLlavaForConditionalGeneration = wrapped.merge_and_unload()
    except CheckpointError:
        raise
    except Exception as error:  # PEFT and safetensors each raise their own kinds
        told = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        raise CheckpointError(f"adapter {folder}: cannot be attached to its base: {told}") from error
    merged.tie_weights()
    merged.requires_grad_(True)
    return merged


def read_adapter_config(folder: Path) -> LoraConfig:
    """PEFT's configuration in `folder`. Raises CheckpointError if it is not one of LoRA."""
    from peft import LoraConfig

    value = {key: entry for key, entry in read_adapter_json(folder).items() if key != "inference_mode"}
    try:
        config: LoraConfig = LoraConfig.from_peft_type(**value, inference_mode=True)  # type: ignore[no-untyped-call]
    except (TypeError, ValueError, KeyError) as error:
        raise CheckpointError(f"{folder / CONFIG}: is no LoRA configuration that PEFT reads ({error})") from None
    return config


def read_adapter_json(folder: Path) -> dict[str, Any]:
    """The parsed ``adapter_config.json`` of `folder`. Raises CheckpointError if it is not about LoRA."""
    file = folder / CONFIG
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{file}: cannot be read ({error})") from None
    found = value.get("peft_type") if isinstance(value, dict) else None
    if found != "LORA":
        raise CheckpointError(f"{file}: peft_type is {repr(found)[:60]}; only LORA adapters are supported")
    return dict(value)


def _layers(model: nn.Module) -> Iterable[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    return [(name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer)]


def _lora(name: str, layer: Any) -> Lora:
    """The settings of an injected layer, which must be what `Lora` says and nothing more."""
    adapters = list(layer.lora_A)
    if adapters != [_NAME] or layer.lora_variant or layer.merged or any(layer.lora_bias.values()):
        raise CheckpointError(
            f"adapter: {name} must have one plain LoRA adapter named {_NAME!r}, without bias, DoRA or merging; "
            f"it has {', '.join(adapters) or 'none'}"
        )
    r, dropout = int(layer.r[_NAME]), getattr(layer.lora_dropout[_NAME], "p", 0.0)
    # Not `lora_alpha`: rank-stabilised LoRA scales by alpha over the root of r.
    return Lora(r, _whole(layer.scaling[_NAME] * r), float(dropout))


def _pattern(values: Mapping[str, float], usual: float) -> dict[str, Any]:
    """PEFT's pattern -> value, for modules whose value is not `usual`; one pattern for a part that agrees."""
    found: dict[str, Any] = {}
    for prefix in (module for modules in MODULES.values() for module in modules):
        own = {name: value for name, value in values.items() if name.startswith(f"{prefix}.")}
        if set(own.values()) == {usual}:
            continue
        if len(set(own.values())) == 1:
            found[f"{re.escape(prefix)}\\..*"] = next(iter(own.values()))
        else:
            found |= {re.escape(name): value for name, value in own.items() if value != usual}
    return found


def _whole(value: float) -> float:
    return round(value) if abs(value - round(value)) < 1e-9 else value


def _require_fit(folder: Path, wanted: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> None:
    shapes = [
        f"{name} ({tuple(found[name].shape)} for {tuple(wanted[name].shape)})"
        for name in sorted(wanted.keys() & found.keys())
        if found[name].shape != wanted[name].shape
    ]
    require_no_faults(
        f"adapter {folder}: weights do not fit its configuration and base",
        {
            "missing": sorted(wanted.keys() - found.keys()),
            "unused": sorted(found.keys() - wanted.keys()),
            "of another shape": shapes,
        },
    )


def require_no_faults(what: str, faults: Mapping[str, Sequence[str]]) -> None:
    """Raise CheckpointError that counts the names of each kind of fault and lists the first of them."""
    told = [
        f"{len(names)} {kind}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
        for kind, names in faults.items()
        if names
    ]
    if told:
        raise CheckpointError(f"{what}; {'; '.join(told)}")
