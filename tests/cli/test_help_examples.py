"""Every command's help has an example, and the examples work as they stand."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from example_workspace import Workspace
from help_examples import ELSEWHERE, PROGRAMS, Command, arguments, commands, runnable
from typer.main import get_command

COMMANDS = commands()
EXAMPLES = [example for command in COMMANDS for example in command.examples]
VERDICTS = (0, 3, 4, 5)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_shows_one_of_itself(command: Command) -> None:
    assert command.examples
    assert all(example.startswith(command.name) for example in command.examples)


@pytest.mark.parametrize("example", EXAMPLES)
def test_is_accepted(example: str) -> None:
    """Options and arguments are the command's, whether or not the example can be run here."""
    program, words = example.split()[0], arguments(example)
    group: Any = get_command(import_module(PROGRAMS[program]).app)
    context = group.make_context(program, list(words))
    while hasattr(group, "resolve_command"):
        name, group, words = group.resolve_command(context, words)
        context = group.make_context(name, list(words), parent=context)


@pytest.mark.parametrize("example", [example for example in EXAMPLES if runnable(example)])
def test_runs(example: str, workspace: Workspace) -> None:
    done = workspace.done[example]
    assert done.exit_code in (VERDICTS if example.startswith("sqeval compare") else (0,)), (example, done.output)
    assert done.stdout.strip()


def test_what_is_run_elsewhere_exists() -> None:
    assert set(ELSEWHERE) <= {command.name for command in COMMANDS}
