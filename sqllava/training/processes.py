"""The processes of a run: how Accelerate is set up, and a whole model where weights are spread over processes."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from time import sleep
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from accelerate.utils import DistributedType, InitProcessGroupKwargs, LoggerType
from torch import nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy
from transformers.integrations import unset_hf_deepspeed_config

from sqllava.checkpoints import quiet_transformers
from sqllava.modeling import SqLlavaForConditionalGeneration
from sqllava.training.lora import merged, scalings
from sqllava.training.recipe import Recipe, Stage
from sqllava.training.recipe_file import RecipeError

SETTLE = 0.5
"""Seconds that threads of a process group have for letting go of what they last sent; microseconds do."""
PATIENCE = timedelta(hours=3)
"""How long processes wait for the main one, which evaluates and writes checkpoints, before they give up."""


def start(recipe: Recipe, out: Path, *, cpu: bool) -> Accelerator:
    """The Accelerator of a run, in the way that `accelerate launch` chose: one process, DDP, FSDP2 or DeepSpeed.

    Raises RecipeError for trackers that are not there.
    """
    _check_trackers(recipe)
    accelerator = Accelerator(
        mixed_precision="bf16" if recipe.precision == "bf16" else "no", cpu=cpu, project_dir=str(out),
        log_with=list(recipe.trackers) or None, kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
    )  # fmt: skip
    if accelerator.is_fsdp2 and recipe.precision == "bf16":
        # Accelerate's own policy rounds gradients to bfloat16 before it sums them up over the processes, and the losses
        # that the objective returns as well.
        accelerator.state.fsdp_plugin.mixed_precision_policy = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False
        )
    return accelerator


def _check_trackers(recipe: Recipe) -> None:
    """Accelerate itself trains on without a tracker that is not installed."""
    known, installed = [str(kind) for kind in LoggerType], [str(kind) for kind in get_available_trackers()]
    for name in recipe.trackers:
        if name not in known:
            raise RecipeError(f"trackers: {name!r} is unknown; known: {', '.join(known)}")
        if name not in [*installed, "all"]:
            there = ", ".join(installed) or "none"
            raise RecipeError(f"trackers: {name} is not installed (installed: {there}); install it or leave it out")


def leave() -> None:
    """Part from the other processes: one that ends without it is now and then aborted, by threads that still run."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        # Gloo's threads let go of their last tensors with Python's lock, in their own good time. A process group that
        # is freed before that (with an exception's frames, say) waits for them while it holds that lock: for ever.
        sleep(SETTLE)
        torch.distributed.destroy_process_group()


def configure(accelerator: Accelerator, stage: Stage) -> None:
    """Tell DeepSpeed what it does in our place: it clips by itself, and wants some batch size (for its log alone)."""
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        config = accelerator.state.deepspeed_plugin.deepspeed_config
        config["gradient_clipping"] = stage.clip
        config["train_micro_batch_size_per_gpu"] = 1
        config["train_batch_size"] = accelerator.num_processes


def is_zero3(accelerator: Accelerator) -> bool:
    """Whether DeepSpeed spreads the weights."""
    if accelerator.distributed_type != DistributedType.DEEPSPEED:
        return False
    return bool(accelerator.state.deepspeed_plugin.zero_stage == 3)


def read_whole(accelerator: Accelerator) -> None:
    """Have Transformers read models as they are.

    With ZeRO 3 it would spread each one over the processes while reading it, although parts are still to be joined and
    adapters to be added, and although the main process may be alone in reading it.
    """
    if is_zero3(accelerator):
        unset_hf_deepspeed_config()


def whole_model(accelerator: Accelerator, objective: Any, model: Any) -> SqLlavaForConditionalGeneration | None:
    """The `model` of the prepared objective as the main process can use it alone. Every process must call it.

    Where weights are spread over processes, that is a copy on the main process's device, adapters folded in, and None
    on the other processes; elsewhere the model itself.
    """
    if not (accelerator.is_fsdp2 or is_zero3(accelerator)):
        return model  # type: ignore[no-any-return]
    state = model_state(accelerator, objective)
    if not accelerator.is_main_process:
        return None
    read_whole(accelerator)
    with quiet_transformers():
        copy = SqLlavaForConditionalGeneration.from_pretrained(
            None, config=deepcopy(model.config), state_dict=dict(merged(state, scalings(model)))
        )
    return copy.to(accelerator.device)  # type: ignore[no-any-return]


def spread_again(objective: nn.Module) -> None:
    """After a forward pass without a backward one FSDP still holds whole weights; changes to those would be lost."""
    for module in objective.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def model_state(accelerator: Accelerator, objective: Any) -> dict[str, torch.Tensor]:
    """Whole weights of the prepared objective's model, by name, for the main process. Every process must call it."""
    state = accelerator.get_state_dict(objective) or {}  # with ZeRO 3 the other processes get None
    prefix = "model."
    return {name.removeprefix(prefix): weight for name, weight in state.items() if name.startswith(prefix)}
