"""The kind `openai`: what it takes; the client is imported when a model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sqeval.config import RunConfig
from sqeval.endpoint import DEFAULT_URL, endpoint
from sqeval.errors import UserError
from sqeval.models.kinds import ModelKind, Note

if TYPE_CHECKING:
    from sqeval.model import Model


class Options(BaseModel):
    """What ``--model-args`` say."""

    model_config = ConfigDict(frozen=True)

    concurrency: int = Field(8, ge=1, le=512, description="questions that are with the server at a time")
    rpm: float | None = Field(None, gt=0, description="most questions a minute")
    timeout: float = Field(180, gt=0, description="seconds that an answer may take")
    detail: Literal["low", "high", "auto"] | None = Field(None, description="how closely the server looks, if it knows")
    max_side: int | None = Field(None, ge=16, description="pixels to which larger images are made smaller")
    price_in: float | None = Field(None, ge=0, description="price of a million tokens sent")
    price_out: float | None = Field(None, ge=0, description="price of a million tokens received")
    tokens_as: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="how the server calls the limit of new tokens"
    )
    logprobs: bool = Field(False, description="whether to ask for log-probabilities")


def options(args: Mapping[str, str], url: str) -> Options:
    """Raises UserError for values that make no sense."""
    own = {"tokens_as": "max_completion_tokens"} if url == DEFAULT_URL else {}
    try:
        return Options.model_validate({**own, **args})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise UserError(f"--model-args {name}={args[name]}: {first['msg'].lower()}") from None


def _load(config: RunConfig, note: Note) -> Model:
    try:
        import_module("openai")
    except ImportError as error:
        raise UserError(
            f"--model openai needs the client of that name ({error}): pip install 'sqeval[openai]'"
        ) from None
    from sqeval.models.openai.asking import ServedModel

    at = endpoint(f"--model openai --ckpt {config.ckpt}")
    return ServedModel(str(config.ckpt), at, options(config.model_args, at.url), note)


KIND = ModelKind(
    "a model behind an OpenAI-compatible address: $OPENAI_BASE_URL, $OPENAI_API_KEY",
    _load,
    ckpt="the model's name, as the server has it",
    args={name: str(field.description) for name, field in Options.model_fields.items()},
)
