"""Resumable checkpoints: complete, atomic, rotated.

What a step does is a function of the recipe and the step's number (which samples, which turns are self-asked, learning
rates, dropout), so that a checkpoint is trained weights, optimizer state and a position; nothing else has to be
remembered for an interrupted run to end with the weights of an uninterrupted one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sqllava.atomic import explained, replace_folder, write_text
from sqllava.errors import SqLlavaError

FOLDER = "checkpoints"


class ResumeError(SqLlavaError):
    """A checkpoint that cannot be continued from."""


@dataclass
class Position:
    """Where a run stands."""

    stage: str
    step: int
    """Optimizer steps done in the stage."""
    bad_samples: int = 0
    """Skipped so far in the whole run."""
    best: float | None = None
    """Highest value of the deciding metric so far."""
    since_log: dict[str, Any] = field(default_factory=dict)
    """Sums over the steps since the last logged one."""


def save_state(
    out: Path, position: Position, stages: Sequence[str], model: nn.Module, optimizer: torch.optim.Optimizer,
    accelerator: Accelerator, keep: int,
) -> None:  # fmt: skip
    """Write ``OUT/checkpoints/<stage>-<step>``, then drop all but the newest `keep`. Every process must call it.

    stages: names of the run's stages in order.
    """
    target = out / FOLDER / f"{position.stage}-{position.step:07d}"
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        _save_deepspeed(target, position, accelerator)
    else:
        weights, moments = _gather(model, optimizer)  # collective where weights are sharded
        if accelerator.is_main_process:
            with replace_folder(target) as folder:
                save_file(weights, folder / "weights.safetensors")
                save_file(moments, folder / "optimizer.safetensors")
                write_text(folder / "position.json", json.dumps(asdict(position), indent=2) + "\n")
    if accelerator.is_main_process:
        for old in _checkpoints(out, stages)[:-keep]:
            shutil.rmtree(old)
    accelerator.wait_for_everyone()


def newest(out: Path, stages: Sequence[str]) -> Path | None:
    """The checkpoint to continue from, if there is one."""
    found = _checkpoints(out, stages)
    return found[-1] if found else None


def read_position(checkpoint: Path) -> Position:
    """Raises ResumeError if the checkpoint is damaged."""
    try:
        return Position(**json.loads((checkpoint / "position.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ResumeError(
            f"{checkpoint}: not a complete checkpoint ({error}); remove it to use an older one"
        ) from error


def restore(checkpoint: Path, model: nn.Module, optimizer: torch.optim.Optimizer, accelerator: Accelerator) -> None:
    """Put a checkpoint's weights and moments in place. Raises ResumeError if they are not this run's."""
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        accelerator.load_state(str(checkpoint / "deepspeed"))
        return
    try:
        weights = load_file(checkpoint / "weights.safetensors")
        moments = load_file(checkpoint / "optimizer.safetensors")
    except Exception as error:  # safetensors has its own kinds
        raise ResumeError(f"{checkpoint}: cannot be read ({error}); remove it to use an older one") from error
    named = _trained(model)
    if set(named) != set(weights):
        raise ResumeError(f"{checkpoint}: holds other trained weights than this recipe; start anew with another --out")
    inner = _inner(optimizer)
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(_placed(weights[name], parameter))
            if f"step.{name}" in moments:
                spread = {key: _placed(moments[f"{key}.{name}"], parameter) for key in ("exp_avg", "exp_avg_sq")}
                step = moments[f"step.{name}"].to(parameter.device)  # where fused AdamW reads it
                inner.state[parameter] = {"step": step, **spread}


def _gather(model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    inner = _inner(optimizer)
    named = _trained(model)
    weights = {name: _whole(parameter) for name, parameter in named.items()}
    moments = {
        f"{key}.{name}": _whole(value)
        for name, parameter in named.items()
        for key, value in inner.state.get(parameter, {}).items()
    }
    return weights, moments


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that learn, by name; wrappers' prefixes are left out."""
    return {
        name.removeprefix("module.").replace("_orig_mod.", ""): parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def _inner(optimizer: Any) -> torch.optim.Optimizer:
    inner: torch.optim.Optimizer = getattr(optimizer, "optimizer", optimizer)
    return inner


def _whole(tensor: Tensor) -> Tensor:
    """All of a tensor that may be spread over processes, on the CPU."""
    full: Any = getattr(tensor, "full_tensor", None)
    whole: Tensor = (full() if full else tensor).detach().cpu().contiguous()
    return whole


def _placed(whole: Tensor, like: Tensor) -> Tensor:
    """`whole` spread and placed as `like` is."""
    mesh = getattr(like, "device_mesh", None)
    if mesh is None:
        return whole.to(like.device)
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(whole.to(like.device), mesh, like.placements)  # type: ignore[attr-defined]


def _checkpoints(out: Path, stages: Sequence[str]) -> list[Path]:
    """Complete checkpoints, oldest first."""
    found = []
    for file in (out / FOLDER).glob("*/position.json"):
        stage, _, step = file.parent.name.rpartition("-")
        if stage in stages and step.isdecimal():
            found.append((stages.index(stage), int(step), file.parent))
    return [folder for *_, folder in sorted(found)]


def _save_deepspeed(target: Path, position: Position, accelerator: Accelerator) -> None:
    """DeepSpeed shards its own way; its files become a checkpoint once every process has written its share."""
    with explained(target):
        accelerator.save_state(str(target / "deepspeed"))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        with explained(target):
            write_text(target / "position.json", json.dumps(asdict(position), indent=2) + "\n")


def same_recipe(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Keys in which two recipes differ, other than those that change no result."""
    free = {"log_every", "save_every", "keep", "workers", "trackers", "compile", "bad_samples"}
    return sorted(key for key in {*before, *now} - free if before.get(key) != now.get(key))
