"""Kinds of models by name: plugins of the entry-point group ``sqeval.models``, ours and third parties' alike.

An entry point leads to a `ModelKind`: what the kind is, what it may be told, and how one is loaded. Its module is
imported when the kind is used or listed, so whatever is heavy is imported by `ModelKind.load`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sqeval import plugins
from sqeval.errors import UserError
from sqeval.plugins import nearest, origin

if TYPE_CHECKING:
    from sqeval.config import RunConfig
    from sqeval.model import Model

GROUP = "sqeval.models"
Note = Callable[[str], None]
"""Shows the user a line that stays: a fallback, an estimate."""
Flag = Literal["base", "vision_tower", "self_questions"]
"""Fields of `RunConfig` that only some kinds have a use for."""


@dataclass(frozen=True)
class ModelKind:
    """A kind of model, as ``--model NAME`` finds it."""

    description: str
    """One line."""
    load: Callable[[RunConfig, Note], Model]
    """Makes the model that a configuration asks for; `ckpt` and the names in `model_args` are checked before. Raises
    UserError."""
    ckpt: str | None = None
    """What ``--ckpt`` has to be, in words; None: the kind takes none."""
    args: Mapping[str, str] | None = field(default_factory=dict)
    """What ``--model-args`` may set, and what each does; None: `load` checks the names itself."""
    flags: tuple[Flag, ...] = ()
    """Those that it uses; the others are refused."""


def kind_names() -> list[str]:
    """Names of all installed kinds, sorted. No plugin is imported."""
    return plugins.names(GROUP)


def get_kind(name: str) -> ModelKind:
    """The kind called `name`; only its own plugin is imported.

    Raises UserError for an unknown name, one that two distributions claim, and a plugin that is broken.
    """
    point = plugins.find(GROUP, "model", name)
    if point is None:
        known = kind_names()
        there = f"there are: {', '.join(known)}" if known else "no model plugin is installed: reinstall sqeval"
        raise UserError(f"--model {name}: unknown; {nearest(name, known)}{there}")
    kind = plugins.load(point, "model")
    if not isinstance(kind, ModelKind):
        raise UserError(f"model {name!r} of {origin(point)} is not a sqeval.models.kinds.ModelKind")
    return kind


def source(name: str) -> str:
    """Distribution and version that a kind comes from."""
    point = plugins.find(GROUP, "model", name)
    return "" if point is None or point.dist is None else f"{point.dist.name} {point.dist.version}"
