"""SQ-LLaVA: a LLaVA descendant that learns to ask questions as well as to answer them.

Names are imported when they are first used, so that ``import sqllava`` costs nothing; the first use of
`SqLlavaConfig`, the model, or a processor registers transformers' Auto classes for model type ``sqllava``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqllava.asking import AskedQuestion, ask
    from sqllava.checkpoints import checkpoint_hash
    from sqllava.config import SqLlavaConfig
    from sqllava.conversation import TEMPLATES, Template, Turn
    from sqllava.engine import Completion, Engine, Group, Request, Scored, ScoreRequest
    from sqllava.errors import CheckpointError, SqLlavaError
    from sqllava.images import SqLlavaImageProcessor
    from sqllava.loaded import SqLlava, load
    from sqllava.modeling import SqLlavaForConditionalGeneration
    from sqllava.processing import SqLlavaProcessor
    from sqllava.prototypes import PrototypeProjector

__all__ = [
    "TEMPLATES",
    "AskedQuestion",
    "CheckpointError",
    "Completion",
    "Engine",
    "Group",
    "PrototypeProjector",
    "Request",
    "ScoreRequest",
    "Scored",
    "SqLlava",
    "SqLlavaConfig",
    "SqLlavaError",
    "SqLlavaForConditionalGeneration",
    "SqLlavaImageProcessor",
    "SqLlavaProcessor",
    "Template",
    "Turn",
    "ask",
    "checkpoint_hash",
    "load",
]

_MODULES = {
    "asking": ("AskedQuestion", "ask"),
    "auto": ("SqLlavaConfig", "SqLlavaForConditionalGeneration", "SqLlavaImageProcessor", "SqLlavaProcessor"),
    "checkpoints": ("checkpoint_hash",),
    "conversation": ("TEMPLATES", "Template", "Turn"),
    "engine": ("Completion", "Engine", "Group", "Request", "ScoreRequest", "Scored"),
    "errors": ("CheckpointError", "SqLlavaError"),
    "loaded": ("SqLlava", "load"),
    "prototypes": ("PrototypeProjector",),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"sqllava.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
