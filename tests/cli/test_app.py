"""The entry point: order of help, near names, exit codes, and what becomes of failures."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import sqeval
from sqeval.cli import app as module
from sqeval.errors import DataError, IncompleteError, UserError


def run(*arguments: str) -> Any:
    return CliRunner().invoke(module.app, list(arguments), prog_name="sqeval")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replaces the command `doctor` by one that raises what it is given."""

    def put(error: BaseException) -> None:
        broken = typer.Typer()

        @broken.command()
        def doctor() -> None:
            raise error

        monkeypatch.setattr(module, "load", lambda _: typer.main.get_command(broken))

    return put


def test_version() -> None:
    assert run("--version").output == f"sqeval {sqeval.__version__}\n"


def test_help_lists_every_command_in_order() -> None:
    words = [line.strip("│ ").split()[0] for line in run("--help").output.splitlines() if line.strip("│ ")]
    places = [words.index(name) for name in module.COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize("name", module.COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"sqeval {name}" in result.output


def test_an_unknown_command_gets_the_nearest_name() -> None:
    result = run("leaderbord")
    assert result.exit_code == 2
    assert "leaderboard" in result.stderr


def test_an_unknown_option_is_bad_usage() -> None:
    assert run("tasks", "list", "--frob").exit_code == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("say what to do"), 2),
        (DataError("expected a string, found 3", file="a.json", line=7, field="text"), 2),
        (IncompleteError("12 samples are missing"), 5),
    ],
)
def test_an_expected_failure_is_its_message_and_its_code(failing: Any, error: Exception, code: int) -> None:
    failing(error)
    result = run("doctor")
    assert result.exit_code == code
    assert result.stderr == f"sqeval: {error}\n"
    assert result.stdout == ""


def test_an_interrupt_is_a_short_line(failing: Any) -> None:
    failing(KeyboardInterrupt())
    result = run("doctor")
    assert result.exit_code == 130
    assert result.stderr.count("\n") == 1


def test_a_defect_keeps_its_traceback(failing: Any) -> None:
    failing(ZeroDivisionError("a defect"))
    result = run("doctor")
    assert result.exit_code == 1
    assert isinstance(result.exception, ZeroDivisionError)
