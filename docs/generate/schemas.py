"""What the files of a run folder, and files of questions, hold: models that tests read real files with, as JSON Schema.

Objects whose keys are names (of tasks, metrics, packages, settings) are open; all others are closed.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class Closed(BaseModel):
    """No other keys, and types as they stand: 1 is no text."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class Estimate(Closed):
    """A metric with its error bar, clustered by image; fractions in 0..1, CIDEr in 0..10."""

    value: float | None
    """null: not defined, or not computed."""
    stderr: float | None
    ci95: list[float] | None
    """Both ends of the 95 % interval."""
    n: Count
    clusters: Count
    scale: int = 100
    """What the official evaluator prints for a value of 1."""


class Counts(Closed):
    """What became of the answers; n = scored + unparsed + errored + missing."""

    n: Count
    scored: Count
    unparsed: Count
    errored: Count
    missing: Count
    truncated: Count


class Judge(Closed):
    """Who judged the responses."""

    name: str
    version: str | None
    """The model that the server says it is."""
    rounds: Annotated[int, Field(ge=1)]


class Hashes(Closed):
    """Runs are compared only if the first three agree."""

    data: Sha256
    prompts: Sha256
    scorer: Sha256
    checkpoint: Sha256 | None


class Metrics(Closed):
    """TASK/metrics.json: its existence means that the task is complete."""

    task: str
    version: str
    protocol: str = "official"
    data_version: str | None
    primary: str
    """Name of the metric shown in tables."""
    metrics: dict[str, Estimate]
    """By name; breakdown cells are called accuracy/answer_type=yes/no."""
    not_computed: dict[str, str]
    """Metrics that the machine could not compute, and what was missing."""
    counts: Counts
    judge: Judge | None
    hashes: Hashes


class Sample(Closed):
    """A line of TASK/samples.jsonl."""

    id: str
    cluster: str
    image: str | None
    question: str
    prompt: str
    """The user's turn as it was asked."""
    response: str | None
    """The model's raw text; null if there was an error."""
    parsed: str | None
    """null: no answer could be read."""
    reference: Any
    scores: dict[str, float]
    tags: dict[str, str]
    finish_reason: Literal["stop", "length", "error", "missing"]
    error: str | None
    request_hash: str
    verbatim: bool
    judgement: dict[str, Any] | None


class Identity(Closed):
    """Who answered."""

    name: str
    kind: str
    """Adapter."""
    checkpoint: str | None
    checkpoint_hash: Sha256 | None
    sees_images: bool
    details: dict[str, Any]
    """Settings that may change answers."""
    origin: dict[str, Any] = {}
    """Where the checkpoint came from."""


class Git(Closed):
    """State of the code."""

    commit: str
    dirty: bool


class Timing(Closed):
    """Times are UTC, ISO 8601."""

    started: str
    finished: str | None
    seconds: float
    sessions: Annotated[int, Field(ge=1)]


class Run(Closed):
    """run.json."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    """Raised when a field changes its meaning."""
    kind: Literal["run", "score"]
    name: str
    status: Literal["running", "complete"]
    command: str
    config: dict[str, Any]
    identity: Identity
    data: dict[str, Sha256]
    """SHA-256 of the files that each task read."""
    sources: dict[str, Any]
    """Of tasks whose data come from the hub."""
    seeds: dict[str, int]
    git: Git | None
    packages: dict[str, str]
    hardware: dict[str, Any]
    timing: Timing
    throughput: dict[str, Any] | None
    tasks: dict[str, dict[str, Any]]
    """Each task's primary metric, and counts."""


class Answer(Closed):
    """The asker's own answer."""

    text: str
    by: str | None = None


class Question(BaseModel):
    """One question as it was asked."""

    model_config = ConfigDict(extra="allow", strict=True, use_attribute_docstrings=True)

    qid: str
    """Unique in the file."""
    text: str
    finish_reason: str = "stop"
    n_tokens: int | None = None
    logprob_sum: float | None = None
    answer: Answer | None = None


class Questions(BaseModel):
    """A line of *.questions.jsonl: an image and condition. Fields that are not known are kept."""

    model_config = ConfigDict(extra="allow", strict=True, use_attribute_docstrings=True)

    schema_: Annotated[Literal["sqeval.questions/1"], Field(alias="schema")]
    run_id: str
    image_id: str
    image: str | None = None
    model: dict[str, Any]
    """At least the name."""
    gen: dict[str, Any]
    """At least n, seed, sampling (iid or sequential) and temperature."""
    preface: dict[str, str] | None = None
    """What was said before: question and answer."""
    questions: list[Question]
    context: dict[str, Any] | None = None
    """captions, objects and ref_questions of the image."""


FILES: dict[str, type[BaseModel]] = {"run": Run, "metrics": Metrics, "samples": Sample, "questions": Questions}


def files() -> dict[str, str]:
    """A JSON Schema a file, by its name in docs/reference."""
    return {f"{name}.schema.json": _schema(model) for name, model in FILES.items()}


def _schema(model: type[BaseModel]) -> str:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(by_alias=True)}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
