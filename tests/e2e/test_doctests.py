"""The examples in docstrings do what they say, on the packaged checkpoint and the mini suite."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import sqeval
import sqllava

MODULES = ("sqeval.api", "sqllava.loaded")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(import_module(name), verbose=False)
    assert tried
    assert not failed


def test_every_function_has_an_example() -> None:
    functions = [sqeval.run, sqeval.score, sqeval.compare, sqeval.leaderboard, sqeval.load_run]
    functions += [sqllava.load, sqllava.SqLlava, sqllava.SqLlava.answer, sqllava.SqLlava.ask]
    assert not [function for function in functions if ">>> " not in str(function.__doc__)]
