"""One line of samples.jsonl: everything known about one answered sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec


class Record(msgspec.Struct, forbid_unknown_fields=True):
    """One answered sample. Fractions are in 0..1. Its fields, in their order, are those of the line; none is ever
    changed."""

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
    scores: Mapping[str, float | int]
    tags: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Breakdown cells; kept so that metrics, comparisons and reports need no data root."""
    finish_reason: str = "stop"
    error: str | None = None
    request_hash: str = ""
    """SHA-256 of all that determines the answer; a resumed run keeps records whose hash still matches."""
    verbatim: bool = False
    """Whether the response is a final answer from an official result file, which is compared as it is."""
    judgement: Mapping[str, Any] | None = None
    """What a judge said of the response: judge, place, versions, key, rounds of replies, error; None: not asked."""

    @property
    def failure(self) -> str | None:
        """Why there is no answer, or no judgement of it that can be read."""
        return self.error if self.judgement is None or self.error is not None else self.judgement["error"]

    @property
    def errored(self) -> bool:
        return self.error is not None or (self.judgement is not None and self.judgement["error"] is not None)

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
        return _ENCODER.encode(self).decode()

    @classmethod
    def from_json(cls, line: str | bytes) -> Record:
        """Read one line. Raises ValueError for anything that is not a record."""
        record = _DECODER.decode(line)
        if record.judgement is not None and not record.judgement.keys() >= _JUDGEMENT:
            raise ValueError(f"a judgement has the fields {' and '.join(sorted(_JUDGEMENT))}")
        return record

    def but(self, **changes: Any) -> Record:
        """The same record with other values in some fields."""
        return msgspec.structs.replace(self, **changes)

    def with_scores(self, extra: Mapping[str, float]) -> Record:
        """The same record with more scores."""
        return self.but(scores={**self.scores, **extra})


def to_lines(records: Iterable[Record]) -> bytes:
    """What stands in samples.jsonl: `to_json` of each in UTF-8, and a newline."""
    return _ENCODER.encode_lines(records)


def _plain(value: object) -> object:
    """Kinds of text and numbers that are not the parser's own: `Verbatim`, numpy's float64."""
    for kind in (str, bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON-able")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)
_DECODER = msgspec.json.Decoder(Record)
_JUDGEMENT = frozenset({"error", "rounds"})
