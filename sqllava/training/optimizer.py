"""AdamW with a learning rate for each part; linear warm-up, then half a cosine."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from sqllava.training.recipe import Part, Stage


def build_optimizer(parameters: Mapping[Part, list[nn.Parameter]], stage: Stage) -> torch.optim.AdamW:
    """One parameter group a part, which its ``name`` names."""
    groups = [
        {"params": found, "lr": stage.trained[part].learning_rate, "name": part} for part, found in parameters.items()
    ]
    return torch.optim.AdamW(groups, betas=(0.9, stage.beta2), weight_decay=stage.weight_decay, fused=True)


def schedule(stage: Stage, step: int, steps: int) -> float:
    """Share of the peak learning rate at `step` (from 0) of `steps`: rises over the warm-up, falls to `floor`."""
    warm = max(1, round(stage.warmup * steps))
    if step < warm:
        return (step + 1) / warm
    progress = (step - warm) / max(1, steps - warm)
    return stage.floor + (1 - stage.floor) * 0.5 * (1 + math.cos(math.pi * progress))


def set_learning_rates(optimizer: torch.optim.Optimizer, stage: Stage, share: float) -> dict[str, float]:
    """Set every group to `share` of its part's peak; gives the rates by part."""
    for group in optimizer.param_groups:
        group["lr"] = stage.trained[group["name"]].learning_rate * share
    return {group["name"]: group["lr"] for group in optimizer.param_groups}
