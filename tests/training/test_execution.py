"""How a stage computes: what is recomputed, and what is not gone through backward at all."""

from __future__ import annotations

import tiny_sqllava as tiny
import torch

from sqllava.training.features import tower_features
from sqllava.training.lora import prepare_parts
from sqllava.training.recipe import Part, Stage, Trained
from sqllava.training.stages import set_execution

IN_FULL = Trained(learning_rate=1.0)


def features(trained: dict[Part, Trained]) -> torch.Tensor:
    """Of the tower of a model that is trained so, with recomputation."""
    stage = Stage.model_validate(
        {"name": "s", "kind": "conversations", "data": "none", "trained": trained, "steps": 1, "batch_size": 1,
         "gradient_checkpointing": True}
    )  # fmt: skip
    model = tiny.model().train()
    prepare_parts(model, trained)
    set_execution(model, stage, compiled=False)
    assert any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    return tower_features(model, torch.randn(1, 3, 24, 24))


def test_recomputation_leaves_a_frozen_tower_without_a_backward_pass() -> None:
    assert not features({"projector": IN_FULL, "language_model": IN_FULL}).requires_grad
    assert features({"vision_tower": IN_FULL}).requires_grad
