"""JSON files of many records, read one record at a time: memory does not grow with the file."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from sqllava.errors import SqLlavaError

CHUNK = 1 << 20
"""Bytes read at once."""
LARGEST = 1 << 26
"""Characters of the largest record; something else than a list of records is noticed no later."""
_BLANK = " \t\r\n"
_CUT = 16
"""An error this close to the end of what has been read may come from a cut token."""


class TrainingDataError(SqLlavaError):
    """A training file that is missing or holds a bad sample."""


class Record(NamedTuple):
    """A record and where it stands: byte offset and length, its number from 0, its line from 1."""

    value: Any
    offset: int
    length: int
    number: int
    line: int


def records(path: Path) -> Iterator[Record]:
    """The objects of a JSON list, or of JSON Lines (one a line), in order. UTF-8, with or without byte order mark.

    Raises TrainingDataError naming file and line of what is not JSON.
    """
    if not path.is_file():
        raise TrainingDataError(f"{path} is missing; --set data=DIR names the folder that has the recipe's files")
    with path.open("rb") as stream:
        text = _Text(stream, path)
        if text.peek() == "[":
            yield from _list(text)
        else:
            yield from _lines(text)


def _list(text: _Text) -> Iterator[Record]:
    text.skip(1)
    number = 0
    while text.peek() != "]":
        if number:
            text.expect(",", f"after sample {number - 1}")
            text.peek()
        yield text.record(number)
        number += 1
    text.skip(1)
    if text.peek():
        raise text.error("expected the end of the file after the list's ]")


def _lines(text: _Text) -> Iterator[Record]:
    number = 0
    while text.peek():
        line = text.line
        record = text.record(number)
        yield record
        number += 1
        if text.peek() and text.line == line:
            raise text.error("expected one sample a line, or a list of samples in [ ]")


@dataclass
class _Text:
    """The part of a file that has been read but not used."""

    stream: BinaryIO
    path: Path

    def __post_init__(self) -> None:
        self.buffer, self.at, self.ended = "", 0, False
        self.offset, self.line = 0, 1  # of the character at `at`
        self.decode, self.scan = codecs.getincrementaldecoder("utf-8")(), json.JSONDecoder().raw_decode
        self.more(CHUNK)
        if self.buffer.startswith("\ufeff"):
            self.at, self.offset = 1, 3

    def more(self, size: int) -> None:
        """Read on; forget what has been used."""
        data = self.stream.read(size)
        self.ended = len(data) < size
        try:
            self.buffer = self.buffer[self.at :] + self.decode.decode(data, self.ended)
        except UnicodeDecodeError as error:
            place = self.stream.tell() - len(data) + error.start
            raise TrainingDataError(f"{self.path}: not UTF-8 text near byte {place}: {error.reason}") from None
        self.at = 0

    def peek(self) -> str:
        """The next character that is not blank, or "" at the end of the file."""
        while True:
            while self.at < len(self.buffer) and self.buffer[self.at] in _BLANK:
                self.line += self.buffer[self.at] == "\n"
                self.skip(1)
            if self.at < len(self.buffer):
                return self.buffer[self.at]
            if self.ended:
                return ""
            self.more(CHUNK)

    def skip(self, count: int) -> None:
        """Pass over ASCII characters."""
        self.at, self.offset = self.at + count, self.offset + count

    def expect(self, mark: str, where: str) -> None:
        found = self.peek()
        if found != mark:
            raise self.error(f"expected {mark!r} {where}, found {found!r}" if found else f"the file ends {where}")
        self.skip(len(mark))

    def record(self, number: int) -> Record:
        """The value that begins here."""
        size = CHUNK
        while True:
            try:
                value, end = self.scan(self.buffer, self.at)
                break
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos + _CUT > len(self.buffer)
                if not cut or self.ended or len(self.buffer) - self.at > LARGEST:
                    raise self._not_json(number, error) from None
            except RecursionError:
                raise self.error(f"sample {number} is nested too deeply") from None
            except ValueError as error:  # a number of thousands of digits
                raise self.error(f"sample {number}: {error}") from None
            self.more(size)
            size *= 2  # so that a huge record is not scanned again for every chunk
        text = self.buffer[self.at : end]
        length = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        record = Record(value, self.offset, length, number, self.line)
        self.at, self.offset = end, self.offset + length
        self.line += text.count("\n")
        return record

    def _not_json(self, number: int, error: json.JSONDecodeError) -> TrainingDataError:
        if len(self.buffer) - self.at > LARGEST:
            return self.error(f"sample {number} is too long: expected a list of samples, or one sample a line")
        self.line += self.buffer.count("\n", self.at, error.pos)
        return self.error(f"sample {number} is not valid JSON: {error.msg} (column {error.colno})")

    def error(self, problem: str) -> TrainingDataError:
        return TrainingDataError(f"{self.path}, line {self.line}: {problem}")
