"""Files as accidents and enemies leave them: valid ones with a value, a stretch of bytes or their end replaced."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

DEEP = 100_000
TOKENS: tuple[bytes, ...] = (
    b"NaN",
    b"-Infinity",
    b"1e400",
    b"-1e-400",
    b"9" * 6000,
    b"0x",
    b"1" + b"0" * 400,
    b"[" * DEEP,
    b'{"a":' * DEEP,
    b'"\\ud800"',
    b"\xed\xa0\x80",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\r\n",
    b"\r",
    b"\n\n",
    b"\t",
    b'"',
    b"'",
    b"\\",
    b",",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b": ",
    b"- ",
    b"#",
    b"&a ",
    b"*a",
    b"!!python/object/apply:os.system [id]",
    b"<<: ",
    b"? ",
    b"\x1b[2J",
    b"\xe2\x80\xae",
    b"\x85",
    b"\xe2\x80\xa8",
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
    b"a" * 200_000,
    b"2020-13-45",
    b"1:99:99",
    b"=",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"-1",
    b"0",
    b"../../etc/passwd",
)
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 3, 2**63, -(2**70), 10**400, 1e308, 0.5, float("nan"), float("inf"), "", "x", "\0", "\ud800",
    "=1+1", "../..", "/etc/passwd", "a/b", "1", "nan", [], {}, [None], [[]], [{}], {"": None}, {"a": 1}, ["x"], [1, 2],
    "x" * 10_000,
)  # fmt: skip
"""Python's encoder writes NaN and halves of surrogate pairs as readers may meet them."""


def mangled(content: bytes, draw: random.Random) -> bytes:
    """`content` with one to three accidents."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        content = draw.choice((_spliced, _spliced, _cut, _flipped, _doubled))(content, draw)
    return content


def with_odd_value(value: Any, draw: random.Random) -> Any:
    """A copy of a JSON value in which one value somewhere is another, a key is missing, or one is new."""
    if isinstance(value, dict) and value and draw.random() < 0.85:
        key = draw.choice(sorted(value))
        if draw.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return {k: with_odd_value(v, draw) if k == key else v for k, v in value.items()}
    if isinstance(value, list) and value and draw.random() < 0.85:
        place = draw.randrange(len(value))
        return [with_odd_value(v, draw) if i == place else v for i, v in enumerate(value)]
    return draw.choice(VALUES)


def as_json(change: Callable[[Any], Any], content: bytes, *, lines: bool = False) -> bytes:
    """JSON, or JSON Lines, with `change` applied to its value; bytes that no UTF-8 text has are escaped."""
    if not lines:
        return json.dumps(change(json.loads(content))).encode()
    changed = change([json.loads(line) for line in content.splitlines()])
    return b"".join(json.dumps(line).encode() + b"\n" for line in (changed if isinstance(changed, list) else [changed]))


def _spliced(content: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(content) + 1)
    return content[:start] + draw.choice(TOKENS) + content[start + draw.choice((0, 0, 1, 4)) :]


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def _flipped(content: bytes, draw: random.Random) -> bytes:
    if not content:
        return content
    place = draw.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :]


def _doubled(content: bytes, draw: random.Random) -> bytes:
    """A stretch twice: keys and ids that occur twice."""
    start, end = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    return content[:end] + content[start:end] + content[end:]
