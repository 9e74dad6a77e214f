"""Help and version answer without importing what they do not need."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sqeval.cli.app import COMMANDS

HEAVY = {
    "torch", "transformers", "numpy", "pandas", "scipy", "sklearn", "datasets", "pyarrow", "PIL", "pycocoevalcap",
    "ray",
}  # fmt: skip


PROGRAM = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
from sqeval.cli.app import main
main()
"""


def imported(*arguments: str) -> set[str]:
    """Modules in memory when `sqeval ARGUMENTS` ends; it must end well."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), *((name, "--help") for name in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not imported(*arguments) & HEAVY


def test_only_the_module_of_the_command_is_imported() -> None:
    modules = {name for name in imported("tasks", "--help") if name.startswith("sqeval.cli.")}
    shared = {"sqeval.cli.completion", "sqeval.cli.options", "sqeval.cli.output"}
    assert modules - shared == {"sqeval.cli.app", "sqeval.cli.tasks"}
