"""Samples as a compact table: sorted CSV, gzipped. What metrics and pairing need, and nothing else (POPE: 50 kB)."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

from sqeval.errors import DataError
from sqeval.records import Record

STORED = "samples.csv.gz"
NULL = "\\N"
"""Stands for what is absent, as in PostgreSQL's COPY; a text that begins with a backslash gets a second one."""
FIXED = ("id", "cluster", "parsed", "reference", "finish_reason", "error")
SCORE, TAG = "score:", "tag:"
LONGEST = 2**31 - 1
"""Characters of a cell: an answer may be longer than csv's own limit of 128 KiB."""
ENCODING_ERRORS = "surrogatepass"
"""Models can answer with half a surrogate pair, which UTF-8 proper does not hold."""


def pack(records: Sequence[Record]) -> bytes:
    """Records as gzipped CSV, sorted by id; equal records give equal bytes."""
    scores = sorted({name for record in records for name in record.scores})
    tags = sorted({name for record in records for name in record.tags})
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")  # any other and a lone carriage return would go unquoted
    writer.writerow([*FIXED, *(SCORE + name for name in scores), *(TAG + name for name in tags)])
    for record in sorted(records, key=lambda record: record.id):
        reference = json.dumps(record.reference, sort_keys=True, separators=(",", ":"))  # some metrics need it
        fixed = [record.id, record.cluster, record.parsed, reference, record.finish_reason, record.failure]
        numbers = [repr(float(record.scores[name])) if name in record.scores else None for name in scores]
        cells = [record.tags.get(name) for name in tags]
        writer.writerow([_cell(value) for value in (*fixed, *numbers, *cells)])
    return gzip.compress(text.getvalue().encode("utf-8", ENCODING_ERRORS), mtime=0)


def read_stored(path: Path) -> list[Record]:
    """The records of a stored baseline, without what is not stored. Raises DataError."""
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8", ENCODING_ERRORS)
    except FileNotFoundError:
        raise DataError(
            "no samples are stored here; restore the folder, or store the run again with `sqeval baseline`",
            file=path.parent,
        ) from None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"is not gzipped UTF-8 ({error}); restore the file", file=path) from None
    rows = csv.reader(io.StringIO(text, newline=""))
    limit = csv.field_size_limit(LONGEST)
    try:
        header = next(rows, [])
        if tuple(header[: len(FIXED)]) != FIXED:
            raise DataError(f"expected the columns {', '.join(FIXED)}, ...", file=path, line=1)
        return [_record(dict(zip(header, map(_text, row), strict=True))) for row in rows]
    except (ValueError, RecursionError, csv.Error) as error:
        raise DataError(f"expected a sample ({error})", file=path, line=rows.line_num) from None
    finally:
        csv.field_size_limit(limit)


def _record(row: dict[str, str | None]) -> Record:
    return Record(
        id=row["id"] or "",
        cluster=row["cluster"] or "",
        image=None,
        question="",
        prompt="",
        response=None,
        parsed=row["parsed"],
        reference=json.loads(row["reference"] or "null"),
        scores={key.removeprefix(SCORE): float(v) for key, v in row.items() if key.startswith(SCORE) and v is not None},
        tags={key.removeprefix(TAG): v for key, v in row.items() if key.startswith(TAG) and v is not None},
        finish_reason=row["finish_reason"] or "stop",
        error=row["error"],
    )


def _cell(value: str | None) -> str:
    if value is None:
        return NULL
    return f"\\{value}" if value.startswith("\\") else value


def _text(cell: str) -> str | None:
    if cell == NULL:
        return None
    return cell[1:] if cell.startswith("\\\\") else cell
