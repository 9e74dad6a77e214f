"""From ``--model`` and ``--ckpt`` to a model that answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import get_args

from sqeval.config import RunConfig
from sqeval.errors import UserError
from sqeval.model import Model
from sqeval.models.kinds import Flag, ModelKind, get_kind
from sqeval.plugins import nearest
from sqeval.progress import Progress, Silent
from sqeval.secrets import is_secret

FLOORS = ("majority", "random")
"""Kinds that may be named as a checkpoint."""
USUAL = "sqllava"
"""The kind of a checkpoint of which nothing is said."""


def model_kind(config: RunConfig) -> str:
    """The kind that answers: the one named, a floor named as checkpoint, or `sqllava` for a checkpoint.

    Raises UserError for an unknown or broken kind, and for a checkpoint, setting or flag that is missing or
    superfluous.
    """
    name, ckpt = config.model, config.ckpt
    if name is None:
        if ckpt is None:
            raise UserError(
                "--ckpt: give a checkpoint folder, a hub id or a packaged name such as `mini`, or --model majority"
            )
        name = ckpt if ckpt in FLOORS else USUAL
    kind = get_kind(name)
    if kind.ckpt is None and ckpt not in (None, name):
        raise UserError(f"--model {name} needs no checkpoint; leave out --ckpt {ckpt}")
    if kind.ckpt is not None and ckpt is None:
        raise UserError(f"--model {name} needs --ckpt: {kind.ckpt}")
    for flag in get_args(Flag):
        value = getattr(config, flag)
        if value and flag not in kind.flags:
            typed = "--self-question" if flag == "self_questions" else "--" + flag.replace("_", "-")
            raise UserError(f"{typed}: model {name} has no use for it; leave out {typed} {value}")
    _check_args(name, kind, config.model_args)
    return name


@contextmanager
def loaded(config: RunConfig, progress: Progress) -> Iterator[Model]:
    """`load_model`, once or by several workers, which end with the block. Raises UserError."""
    several = config.workers > 1 or config.ray_address is not None
    if several and model_kind(config) in (*FLOORS, "replay"):
        progress.note(f"--workers: model {model_kind(config)} computes nothing that they could share; one answers")
    elif several:
        from sqeval.workers.pool import pool

        with pool(config, progress) as model:
            yield model
        return
    yield load_model(config, progress)


def load_model(config: RunConfig, progress: Progress | None = None) -> Model:
    """The model that `config` asks for. Raises UserError."""
    return get_kind(model_kind(config)).load(config, (progress or Silent()).note)


def _check_args(name: str, kind: ModelKind, args: Mapping[str, str]) -> None:
    for arg in args:
        if is_secret(arg):
            raise UserError(
                f"--model-args {arg}: a command line is no place for secrets, others can read it; "
                "put it into the environment, as OPENAI_API_KEY for model openai"
            )
        if kind.args is not None and arg not in kind.args:
            known = f"it takes {', '.join(kind.args)}" if kind.args else f"it takes none, got {arg}"
            raise UserError(f"--model-args: model {name} has no setting {arg}; {nearest(arg, kind.args)}{known}")
