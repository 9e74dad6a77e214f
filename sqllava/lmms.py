"""The entry point by which lmms-eval finds this model: ``lmms-eval eval --model sqllava``."""

from __future__ import annotations

from typing import Any


def manifest() -> Any:
    """What lmms-eval's group of entry points, ``lmms_eval.models``, asks for. Called when its models are listed."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(model_id="sqllava", simple_class_path="sqllava.lmms_model.Adapter")
