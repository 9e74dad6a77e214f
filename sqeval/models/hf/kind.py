"""The kind `hf`: what it takes; torch and transformers are imported when a model is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqeval.config import RunConfig
from sqeval.errors import UserError
from sqeval.models.kinds import ModelKind, Note

if TYPE_CHECKING:
    from sqeval.model import Model

ARGS = {
    "template": "plain (image, newline, question) or a file of a chat template; the checkpoint's own unless set",
    "trust_remote_code": "true runs code that comes with the checkpoint; false unless set",
    "attention": "eager, sdpa, flash_attention_2, ...; transformers' choice unless set",
}


def _load(config: RunConfig, note: Note) -> Model:
    from sqeval.models.hf.checkpoint import load
    from sqeval.models.hf.prompts import Prompts
    from sqeval.models.hf.rows import HfModel
    from sqeval.models.hf.shared import shared

    args = config.model_args
    trusted = args.get("trust_remote_code", "false")
    if trusted not in ("true", "false"):
        raise UserError(f"--model-args trust_remote_code={trusted}: expected true or false")
    loaded = load(
        str(config.ckpt),
        device=config.device,
        dtype=config.dtype,
        trusted=trusted == "true",
        attention=args.get("attention"),
        note=note,
    )
    prompts = Prompts(loaded.processor, args.get("template"))
    prompts.require(str(config.ckpt))
    who = loaded.identity(prompts.template)
    if config.engine == "auto":
        engine = shared(loaded, prompts, who, batch_tokens=config.batch_tokens, workers=config.image_workers, note=note)
        if engine is not None:
            return engine
    return HfModel(who, loaded, prompts, batch_tokens=config.batch_tokens, workers=config.image_workers, note=note)


KIND = ModelKind(
    "any image-text-to-text model of transformers, by its own chat template",
    _load,
    ckpt="a folder written by save_pretrained, or a hub id",
    args=ARGS,
)
