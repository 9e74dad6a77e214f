"""Help and version answer without importing what they do not need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sqeval.cli.app import COMMANDS

HEAVY = {"torch", "transformers", "numpy", "pandas", "scipy", "sklearn", "datasets", "pyarrow", "PIL", "pycocoevalcap"}


def imported(*arguments: str) -> set[str]:
    """Top-level packages that `sqeval ARGUMENTS` imports; it must exit with 0."""
    code = f"import sys; sys.argv = {['sqeval', *arguments]!r}; from sqeval.cli.app import main; main()"
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    modules = [line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {module.split(".")[0] for module in modules} | {m for m in modules if m.startswith("sqeval.cli.")}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), *((name, "--help") for name in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not imported(*arguments) & HEAVY


def test_only_the_module_of_the_command_is_imported() -> None:
    modules = {name for name in imported("tasks", "--help") if name.startswith("sqeval.cli.")}
    assert modules == {"sqeval.cli.app", "sqeval.cli.tasks"}
