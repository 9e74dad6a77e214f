"""Every reader, given valid files that were damaged, gives a result or an error of ours that names the file."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fuzzed import READERS, Reader
from hypothesis import given, settings
from hypothesis import strategies as st
from mangled import TOKENS, as_json, mangled, with_odd_value

from sqeval.errors import SqevalError
from sqllava.errors import SqLlavaError

LONGEST = 3_000
"""Characters of a message: a file's content does not flood the terminal."""
SECONDS = 30
ABOUT_FLAGS = ("--tasks", "--data")
"""A configuration may lack them, since flags can give them; then the message is about the flags."""


@contextmanager
def alarm() -> Iterator[None]:
    """End what hangs."""

    def hang(*_: object) -> None:
        raise AssertionError("hangs")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check(reader: Reader, content: bytes, folder: Path) -> bool:
    """Whether `content` was read; everything but an error of ours passes through."""
    path = folder / reader.file
    path.write_bytes(content)
    try:
        with alarm():
            reader.read(path)
    except (SqevalError, SqLlavaError) as error:
        told = str(error)
        assert str(folder) in told or told.startswith(ABOUT_FLAGS), told
        assert len(told) < LONGEST
        return False
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Reader:
    found = READERS[request.param]
    if request.param != "adapter config":  # which needs weights beside it to be whole
        assert check(found, found.valid, tmp_path)
    return found


def test_odd_files(reader: Reader, tmp_path: Path) -> None:
    """Deep nesting, huge numbers, NaN, halves of surrogate pairs, NUL, long lines, tags, aliases, archives, nothing."""
    for token in (b"", *TOKENS[:: 6 if reader.file == "paths.yaml" else 1]):  # which asks all tasks, slowly
        for content in (token, reader.valid + token):
            check(reader, content, tmp_path)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=30, derandomize=True, deadline=None)
@given(draw=st.randoms(use_true_random=False))
def test_damaged_files(name: str, draw: random.Random, folder: Path) -> None:
    reader, content = READERS[name], READERS[name].valid
    if reader.file.endswith((".json", ".jsonl")) and draw.random() < 0.5:
        content = as_json(lambda value: with_odd_value(value, draw), content, lines=reader.lines)
    else:
        content = mangled(content, draw)
    (folder / name).mkdir(exist_ok=True)
    check(reader, content, folder / name)


@pytest.mark.parametrize("name", ["configuration", "recipe"])
def test_aliases_that_stand_for_gigabytes(name: str, tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefghi", "bcdefghij", strict=True)]
    assert not check(READERS[name], "\n".join(lines).encode(), tmp_path)
