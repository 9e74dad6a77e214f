"""What run.json and metrics.json must look like for other runs to be set beside them: kinds of fields, finite numbers.

Fields that are not known are kept; those that older files lack may be absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from sqeval.errors import DataError


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class _Estimate(_Shape):
    value: float | None
    stderr: float | None = None
    ci95: list[float | None] | None
    n: int
    clusters: int
    scale: int = 100


class _Judge(_Shape):
    name: str
    version: str | None = None


class _Metrics(_Shape):
    version: str
    primary: str
    protocol: str | None = None
    data_version: str | None = None
    metrics: dict[str, _Estimate]
    not_computed: dict[str, str] = {}
    counts: dict[str, int]
    hashes: dict[str, str | None]
    judge: _Judge | None = None


class _Identity(_Shape):
    name: str
    kind: str | None = None
    checkpoint: str | None = None
    checkpoint_hash: str | None = None
    sees_images: bool = True
    details: dict[str, JsonValue] = {}
    origin: dict[str, JsonValue] = {}


class _Config(_Shape):
    protocol: str | None = None
    data: str | None = None
    images: str | None = None
    split: dict[str, str] = {}
    tasks: list[str] = []
    limit: int | None = None
    judge: str | None = None


class _Timing(_Shape):
    started: str | None = None
    finished: str | None = None
    seconds: float | None = None
    sessions: int | None = None


class _Run(_Shape):
    name: str
    status: str
    command: str | None = None
    identity: _Identity
    config: _Config
    data: dict[str, str] = {}
    sources: dict[str, dict[str, JsonValue]] = {}
    git: dict[str, JsonValue] | None = None
    packages: dict[str, JsonValue] = {}
    hardware: dict[str, JsonValue] = {}
    timing: _Timing | None = None
    throughput: dict[str, JsonValue] | None = None
    tasks: dict[str, dict[str, JsonValue]]


def require_metrics(value: Mapping[str, Any], file: Path) -> None:
    """Raise DataError, naming the field, unless `value` is the content of a metrics.json."""
    _require(_Metrics, value, file)
    for name, estimate in value["metrics"].items():
        if estimate["ci95"] is not None and len(estimate["ci95"]) != 2:
            raise DataError("expected two ends, or null", file=file, field=f"metrics.{name}.ci95")
    if value["primary"] not in value["metrics"]:
        raise DataError(f"expected one of the metrics, found {value['primary'][:60]!r}", file=file, field="primary")
    if "n" not in value["counts"]:
        raise DataError("expected a number of samples", file=file, field="counts.n")


def require_run(value: Mapping[str, Any], file: Path) -> None:
    """Raise DataError, naming the field, unless `value` is the content of a run.json."""
    _require(_Run, value, file)


def _require(shape: type[_Shape], value: Mapping[str, Any], file: Path) -> None:
    try:
        shape.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])[:200]
        problem = first["msg"].replace("Input should be", "expected").replace("Field required", "is missing")
        hint = "restore the file, or repeat the run with --fresh"
        raise DataError(f"{problem}; {hint}", file=file, field=field) from None
