"""What a run is told to do: command line over configuration file over defaults, checked once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from sqeval.config_file import Value, read_yaml
from sqeval.data.hub import is_hub
from sqeval.data.splits import parse_splits
from sqeval.errors import DataError, UserError
from sqeval.protocol import OFFICIAL, marked
from sqeval.registry import nearest, protocols
from sqeval.secrets import mask, mask_settings


class RunConfig(BaseModel):
    """The resolved configuration of a run; the fields are the flags of `sqeval run` with underscores."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())

    tasks: tuple[str, ...] = Field(min_length=1)
    """Names of benchmarks, or ``all`` alone: those whose files the data root has."""
    protocol: str = OFFICIAL
    """Whose evaluation is reproduced: prompts, generation settings, scorer."""
    ckpt: str | None = None
    """Folder, packaged name or hub id; for `replay`, the predictions."""
    base: str | None = None
    """For a released LoRA: the language model that it was trained on. For an adapter: instead of its own base."""
    vision_tower: str | None = None
    """For a release: the vision tower that it was trained with, unless it names a folder here."""
    model: str | None = None
    """Kind of model; None: follows from `ckpt`."""
    model_args: dict[str, str] = {}
    """Settings of the adapter."""
    data: str
    """``mini``, a folder of official files, ``hub``, ``hub:ORG`` or ``hub:/folder``."""
    images: str | None = None
    """Folder under which the image folders lie, if that is not `data`; or the only image folder itself."""
    split: dict[str, str] = {}
    """Split by task; tasks that are not named read the first that is there."""
    out: str = "results"
    """Folder of run folders."""
    name: str = ""
    """Name of the run folder; empty: derived from checkpoint, data, split, protocol and limit."""
    limit: int | None = Field(default=None, ge=1)
    """Least number of questions a task, asked about whole images; None: all."""
    seed: int = Field(default=0, ge=0)
    """Draws the images of `limit`, the baselines' guesses, and answers at a `temperature`."""
    epochs: int = Field(default=1, ge=1)
    """How often each question is asked; its answers' scores are averaged first."""
    temperature: float | None = Field(default=None, ge=0, le=10)
    """At which answers are drawn; None: as each benchmark's protocol says, which is greedy as a rule."""
    self_questions: int = Field(default=0, ge=0)
    """Questions that the model asks itself about an image, and answers, before it is asked anything."""
    batch_tokens: int | None = Field(default=None, ge=1)
    """Tokens that the model holds at once; None: measured or chosen by the adapter."""
    image_workers: int | None = Field(default=None, ge=0)
    """Processes that open images ahead of the model; None: chosen by the adapter."""
    workers: int = Field(default=1, ge=1)
    """Copies of the model that answer side by side, each on a GPU of its own if there are any."""
    ray_address: str | None = Field(default=None, min_length=1)
    """``HOST:PORT`` of a Ray cluster, or ``auto``: the one on this machine; None: workers run here."""
    engine: Literal["auto", "rows"] = "auto"
    """``auto``: what questions have in common is computed once, if the model can; ``rows``: each question alone."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ..."""
    judge: str | None = Field(default=None, min_length=1)
    """Model that judges the responses of judged tasks; None: they are kept, and wait for a judge."""
    judge_rounds: int = Field(default=1, ge=1)
    """How often each response is judged."""
    max_errors: int = Field(default=0, ge=0)
    """Errored samples, over all tasks, that still count as success."""

    @field_validator("tasks", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        names = value.split(",") if isinstance(value, str) else value
        if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
            return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
        raise ValueError("expected names of tasks")

    @field_validator("data")
    @classmethod
    def _named(cls, value: str, info: ValidationInfo) -> str:
        if is_hub(value) and info.data.get("tasks") == ("all",):
            raise ValueError("name the benchmarks in --tasks: each is fetched whole, and some are large")
        return value

    @field_validator("split", mode="before")
    @classmethod
    def _splits(cls, value: Any, info: ValidationInfo) -> Any:
        chosen = parse_splits(value) if isinstance(value, str) else value
        if not isinstance(chosen, dict) or "" not in chosen:
            return chosen
        tasks = info.data.get("tasks", ())
        if len(tasks) != 1 or len(chosen) > 1 or tasks == ("all",):
            raise ValueError(f"say of which task: TASK={chosen['']}")
        return {tasks[0]: chosen[""]}

    @field_validator("protocol")
    @classmethod
    def _known(cls, value: str) -> str:
        known = protocols()
        if value not in known:
            raise ValueError(f"{value!r} is unknown; {nearest(value, known)}there are: {', '.join(known)}")
        return value

    @field_validator("model_args", mode="before")
    @classmethod
    def _settings(cls, value: Any) -> Any:
        if isinstance(value, str):
            return parse_model_args(value)
        if isinstance(value, dict) and all(isinstance(item, str | int | float) for item in value.values()):
            return {str(key): str(item).lower() if item in (True, False) else str(item) for key, item in value.items()}
        raise ValueError("expected names with values")

    @field_validator("batch_tokens", "image_workers", mode="before")
    @classmethod
    def _number_or_auto(cls, value: Any) -> Any:
        if value == "auto":
            return None
        if isinstance(value, str) and not value.isdecimal():
            raise ValueError(f"expected a whole number or auto, found {value!r}")
        return int(value) if isinstance(value, str) else value

    @field_validator("name")
    @classmethod
    def _folder_name(cls, value: str) -> str:
        if value and (Path(value).name != value or value.startswith(".")):
            raise ValueError("expected the name of a folder, not a path; --out says where it lies")
        return value

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.out).expanduser() / (self.name or default_name(self))

    def to_json(self) -> dict[str, Any]:
        """As it stands in run.json: every field, secrets masked."""
        value = self.model_dump(mode="json", exclude={"out"})
        masked = {key: value[key] and mask(value[key]) for key in ("ckpt", "base", "vision_tower")}
        return {**value, **masked, "model_args": mask_settings(self.model_args)}


def resolve(given: Mapping[str, Any], file: Path | None = None) -> RunConfig:
    """The configuration from `given` (command-line flags; None: not given) over `file` over the defaults.

    Raises DataError with file, line and key for what the file has wrong, UserError with the flag for the rest.
    """
    written = {} if file is None else read_yaml(file)
    for key, value in written.items():
        if key not in RunConfig.model_fields:
            near = nearest(key, RunConfig.model_fields)
            known = ", ".join(RunConfig.model_fields)
            raise DataError(f"unknown key; {near}known are: {known}", file=file, line=value.line, field=key)
    flags = {key: value for key, value in given.items() if value is not None}
    try:
        config = RunConfig(**{key: value.value for key, value in written.items()} | flags)
    except ValidationError as error:
        raise _explained(error, written, flags, file) from None
    return config if config.name else config.model_copy(update={"name": default_name(config)})


def parse_model_args(text: str) -> dict[str, str]:
    """``template=v1,image_aspect_ratio=pad`` as a mapping. Raises ValueError."""
    settings: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals):
            raise ValueError(f"expected name=value, separated by commas, found {mask(part)!r}")
        if name in settings:
            raise ValueError(f"{name!r} is given twice")
        settings[name] = value
    return settings


def _explained(
    error: ValidationError, written: Mapping[str, Value], flags: Mapping[str, Any], file: Path | None
) -> UserError:
    """One of pydantic's complaints, what is wrong before what is missing, told where the user can put it right."""
    first = min(error.errors(), key=lambda found: found["type"] == "missing")
    key = str(first["loc"][0])
    flag = "--" + key.replace("_", "-")
    if first["type"] in ("missing", "too_short"):
        return UserError(_MISSING[key])
    problem = first["msg"].removeprefix("Value error, ")
    problem = problem[:1].lower() + problem[1:].replace("Input should", "should")
    if key in written and key not in flags:
        return DataError(problem, file=file, line=written[key].line, field=key)
    return UserError(f"{flag}: {problem}")


_MISSING = {
    "tasks": "--tasks: name the benchmarks, separated by commas, or `all` (`sqeval tasks list` shows them)",
    "data": "--data: give a folder of official files, or `mini` for the suite that needs no download",
}


def default_name(config: RunConfig) -> str:
    """Checkpoint, kind, data, splits, protocol and limit: the same command finds the same folder again."""
    source = Path(config.ckpt or config.model or "model")
    parts = [source.stem if config.model == "replay" else source.name]
    parts += [config.model] if config.ckpt and config.model not in (None, "sqllava", "replay", config.ckpt) else []
    parts += [Path(config.data).resolve().name]
    parts += [split if config.tasks == (task,) else f"{task}-{split}" for task, split in config.split.items()]
    parts += list(marked(config.protocol))
    parts += [] if config.limit is None else [f"limit{config.limit}"]
    parts += [] if config.seed == 0 else [f"seed{config.seed}"]
    parts += [] if config.temperature is None else [f"t{config.temperature:g}"]
    parts += [] if not config.self_questions else [f"sq{config.self_questions}"]
    parts += [] if config.epochs == 1 else [f"epochs{config.epochs}"]
    return "-".join(re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-.") or "run" for part in parts)
