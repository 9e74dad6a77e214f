"""A judge's replies, kept by the content of the question: what was paid for once is not asked again.

One JSON Lines file a judge, in the cache folder.  Lines are only ever appended, each with one write, so that a killed
process loses at most the line that it was writing, and processes may share the file.
"""

from __future__ import annotations

import json
import os
from dataclasses import astuple
from pathlib import Path
from threading import Lock

from sqeval.data.mini.cache import cache_home
from sqeval.errors import UserError
from sqeval.judge import Judge, Reply
from sqeval.judged import Inquiry
from sqeval.planner import digest


class Judgements:
    """Replies of one judge: a name at an address."""

    def __init__(self, judge: Judge, *, reuse: bool = True) -> None:
        """`reuse` False: forget what was said before, and ask anew. Raises UserError for an unwritable cache."""
        self._judge = (judge.url, judge.name)
        self.path = cache_home() / "judgements" / f"{judge.place}.jsonl"
        self._lock = Lock()
        self._replies = _read(self.path) if reuse else {}

    def key(self, inquiry: Inquiry, number: int) -> str:
        """SHA-256 of judge, question and settings, and of the round: every round is a draw of its own."""
        return digest(self._judge, astuple(inquiry), number)

    def get(self, key: str) -> Reply | None:
        """The last reply under this key."""
        return self._replies.get(key)

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply; it is with the kernel when this returns. Raises UserError if it cannot be written."""
        line = json.dumps({"key": key, "text": reply.text, "version": reply.version}, ensure_ascii=False) + "\n"
        with self._lock:
            self._replies[key] = reply
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
                try:
                    # A torn line, which a killed process left, must not swallow this one.
                    size = os.fstat(handle).st_size
                    torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
                    os.write(handle, b"\n" * torn + line.encode())
                finally:
                    os.close(handle)
            except OSError as error:
                raise UserError(f"{self.path}: cannot be written: {error.strerror or error}") from error


def _read(path: Path) -> dict[str, Reply]:
    """The last reply of each key; a torn line is passed over, and its question asked again."""
    replies: dict[str, Reply] = {}
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return replies
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    for line in lines:
        try:
            value = json.loads(line)
            key, text, version = value["key"], value["text"], value["version"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if isinstance(key, str) and isinstance(text, str) and isinstance(version, str):
            replies[key] = Reply(text, version)
    return replies
