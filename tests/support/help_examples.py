"""The commands of both programs, and the examples in their help."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer

PROGRAMS = {"sqeval": "sqeval.cli.app", "sqllava": "sqllava.cli.app"}
PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b")
"""A word in capitals (DIR, RUN, BASE) stands for something of the reader's: such an example cannot be run here."""
ELSEWHERE = {
    "sqeval demo": "runs for a minute, in tests/e2e/test_demo.py",
    "sqeval view": "serves until it is interrupted, in tests/cli/test_view.py",
    "sqllava train": "trains for 20 minutes; tests/training trains less",
}
"""Commands whose examples are run by other tests."""


@dataclass(frozen=True)
class Command:
    """One command, without its groups: ``sqeval questions score``."""

    name: str
    click: Any

    @property
    def examples(self) -> list[str]:
        """Paragraphs of the help that are commands behind a colon, each on one line."""
        paragraphs = [" ".join(part.split()) for part in (self.click.help or "").split("\n\n")]
        found = [re.search(r": ((?:sqeval|sqllava) .*)", paragraph) for paragraph in paragraphs]
        return [match[1] for match in found if match]

    @property
    def has_json(self) -> bool:
        return any("--json" in option.opts for option in self.click.params)


def commands() -> list[Command]:
    """All commands of both programs, in the order of their help."""
    return [command for program, module in PROGRAMS.items() for command in _walk(program, _group(module))]


def runnable(example: str) -> bool:
    """Whether an example needs nothing but what the fixture `workspace` has."""
    return not PLACEHOLDER.search(example) and not any(example.startswith(name) for name in ELSEWHERE)


def arguments(example: str) -> list[str]:
    """What is typed behind the program's name; what a shell would redirect is left out."""
    return shlex.split(example.split(" > ")[0])[1:]


def _group(module: str) -> Any:
    return typer.main.get_command(import_module(module).app)


def _walk(name: str, click: Any) -> Iterator[Command]:
    if not hasattr(click, "list_commands"):
        yield Command(name, click)
        return
    context = click.make_context(name, [], resilient_parsing=True)
    for sub in click.list_commands(context):
        yield from _walk(f"{name} {sub}", click.get_command(context, sub))
