"""One line of samples.jsonl: everything known about one answered sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from pydantic_core import from_json, to_json


@dataclass(slots=True)  # not frozen, which makes making one four times as slow; none is ever changed
class Record:
    """One answered sample. Fractions are in 0..1."""

    id: str
    cluster: str
    image: str | None
    """Key of the image (path under the data root), None for text-only samples."""
    question: str
    prompt: str
    """The user's turn as it was asked."""
    response: str | None
    """Raw text of the model; None if there was an error."""
    parsed: str | None
    """Answer read from the response; None if none could be read."""
    reference: Any
    scores: Mapping[str, float]
    tags: Mapping[str, str] = field(default_factory=dict)
    """Breakdown cells; kept so that metrics, comparisons and reports need no data root."""
    finish_reason: str = "stop"
    error: str | None = None
    request_hash: str = ""
    """SHA-256 of all that determines the answer; a resumed run keeps records whose hash still matches."""
    verbatim: bool = False
    """Whether the response is a final answer from an official result file, which is compared as it is."""
    judgement: Mapping[str, Any] | None = None
    """What a judge said of the response: judge, versions, key, rounds of replies, error; None if none was asked."""

    @property
    def failure(self) -> str | None:
        """Why there is no answer, or no judgement of it that can be read."""
        return self.error if self.judgement is None or self.error is not None else self.judgement["error"]

    @property
    def errored(self) -> bool:
        return self.failure is not None

    @property
    def missing(self) -> bool:
        """Whether the file of predictions had none for this sample; such a record is errored as well."""
        return self.finish_reason == "missing"

    @property
    def unparsed(self) -> bool:
        return not self.errored and self.parsed is None

    @property
    def truncated(self) -> bool:
        return self.error is None and self.finish_reason == "length"

    def to_json(self) -> str:
        """One line of JSON without the newline; key order is fixed."""
        return self.to_bytes().decode()

    def to_bytes(self) -> bytes:
        """`to_json` in UTF-8."""
        # Not dataclasses.asdict, whose deep copies take ten times as long as the encoding.
        return to_json(
            {
                "id": self.id,
                "cluster": self.cluster,
                "image": self.image,
                "question": self.question,
                "prompt": self.prompt,
                "response": self.response,
                "parsed": self.parsed,
                "reference": self.reference,
                "scores": self.scores,
                "tags": self.tags,
                "finish_reason": self.finish_reason,
                "error": self.error,
                "request_hash": self.request_hash,
                "verbatim": self.verbatim,
                "judgement": self.judgement,
            }
        )

    @classmethod
    def from_json(cls, line: str | bytes) -> Record:
        """Read one line. Raises ValueError for anything that is not a record."""
        value = from_json(line, cache_strings="keys")
        if not isinstance(value, dict):
            raise ValueError("not a sample record")
        if tuple(value) == _NAMES:  # as `to_json` writes it
            record = cls(*value.values())
        elif _REQUIRED <= value.keys() <= _FIELDS:
            record = cls(**value)
        else:
            raise ValueError("not a sample record")
        record._require_kinds()
        return record

    def _require_kinds(self) -> None:
        """Raise ValueError, naming the field, unless every field is of its kind."""
        texts = (type(self.id), type(self.cluster), type(self.question), type(self.prompt), type(self.finish_reason))
        if (
            texts == _TEXTS
            and {type(self.image), type(self.response), type(self.parsed), type(self.error)} <= _TEXT_OR_NONE
            and type(self.request_hash) is str
            and type(self.verbatim) is bool
            and type(self.scores) is dict
            and {*map(type, self.scores.values())} <= _NUMBERS
            and type(self.tags) is dict
            and {*map(type, self.tags.values())} <= _TEXT_OR_NONE - {type(None)}
            and (self.judgement is None or (type(self.judgement) is dict and self.judgement.keys() >= _JUDGEMENT))
        ):
            return
        raise ValueError("a field is of another kind than it should be")

    def with_scores(self, extra: Mapping[str, float]) -> Record:
        """The same record with more scores."""
        return replace(self, scores={**self.scores, **extra})


_NAMES = tuple(field.name for field in fields(Record))
_FIELDS = frozenset(_NAMES)
_REQUIRED = frozenset(f.name for f in fields(Record) if f.default is MISSING and f.default_factory is MISSING)
_TEXTS = (str,) * 5
_TEXT_OR_NONE = frozenset({str, type(None)})
_NUMBERS = frozenset({float, int})
_JUDGEMENT = frozenset({"error", "rounds"})
