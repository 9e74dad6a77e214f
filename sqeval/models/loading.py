"""From ``--model`` and ``--ckpt`` to a model that answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from sqeval.config import RunConfig
from sqeval.data.join import Allow
from sqeval.errors import UserError
from sqeval.model import Model
from sqeval.progress import Progress, Silent
from sqeval.registry import nearest

KINDS = ("sqllava", "majority", "random", "replay")
BASELINES = ("majority", "random")


def model_kind(config: RunConfig) -> str:
    """The adapter that answers: the one named, a baseline named as checkpoint, or `sqllava` for a checkpoint.

    Raises UserError for an unknown name and for a checkpoint that is missing or superfluous.
    """
    kind, ckpt = config.model, config.ckpt
    if kind is None:
        if ckpt is None:
            raise UserError(
                "--ckpt: give a checkpoint folder, a hub id or a packaged name such as `mini`, or --model majority"
            )
        kind = ckpt if ckpt in BASELINES else "sqllava"
    if kind not in KINDS:
        raise UserError(f"--model {kind}: unknown; {nearest(kind, KINDS)}there are: {', '.join(KINDS)}")
    if kind in BASELINES and ckpt not in (None, kind):
        raise UserError(f"--model {kind} needs no checkpoint; leave out --ckpt {ckpt}")
    if kind not in BASELINES and ckpt is None:
        raise UserError(f"--model {kind} needs --ckpt: " + _CHECKPOINTS[kind])
    return kind


@contextmanager
def loaded(config: RunConfig, progress: Progress) -> Iterator[Model]:
    """`load_model`, once or by several workers, which end with the block. Raises UserError."""
    several = config.workers > 1 or config.ray_address is not None
    if several and model_kind(config) in (*BASELINES, "replay"):
        progress.note(f"--workers: model {model_kind(config)} computes nothing that they could share; one answers")
    elif several:
        from sqeval.workers.pool import pool

        with pool(config, progress) as model:
            yield model
        return
    yield load_model(config, progress)


def load_model(config: RunConfig, progress: Progress | None = None) -> Model:
    """The model that `config` asks for. Raises UserError."""
    kind = model_kind(config)
    if kind == "sqllava":
        from sqeval.models.sqllava import load_sqllava

        return load_sqllava(
            str(config.ckpt),
            device=config.device,
            dtype=config.dtype,
            batch_tokens=config.batch_tokens,
            image_workers=config.image_workers,
            rows=config.engine == "rows",
            self_questions=config.self_questions,
            args=dict(config.model_args),
            base=config.base,
            vision_tower=config.vision_tower,
            note=(progress or Silent()).note,
        )
    flags = (("--base", config.base), ("--vision-tower", config.vision_tower))
    for flag, value in (*flags, ("--self-question", config.self_questions or None)):
        if value is not None:
            raise UserError(f"{flag}: model {kind} has no use for it; leave out {flag} {value}")
    if kind == "replay":
        from sqeval.models.replay import Replay

        replay = Replay(Path(str(config.ckpt)).expanduser(), _allowed(config.model_args), config.protocol)
        if config.limit is not None and not replay.of_run:
            raise UserError("--limit: a file of predictions is scored as a whole; leave it out")
        return replay
    _refuse_args(kind, config.model_args)
    from sqeval.models.baselines import Majority, Random

    return Majority() if kind == "majority" else Random(config.seed)


def _allowed(args: Mapping[str, str]) -> Allow:
    """What a replay lets pass: ``allow_missing=true``."""
    names = {f"allow_{field.name}": field.name for field in fields(Allow)}
    for name, value in args.items():
        if name not in names or value not in ("true", "false"):
            raise UserError(f"--model-args {name}={value}: a replay takes {', '.join(names)}, each true or false")
    return Allow(**{names[name]: value == "true" for name, value in args.items()})


def _refuse_args(kind: str, args: Mapping[str, str]) -> None:
    if args:
        raise UserError(f"--model-args: model {kind} takes none, got {', '.join(args)}")


_CHECKPOINTS = {
    "sqllava": "a checkpoint folder, a hub id, or a packaged name such as `mini`",
    "replay": "a file of predictions, or a run folder",
}
