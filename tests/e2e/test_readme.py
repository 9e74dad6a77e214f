"""Every command that README and docs show is accepted; those that can be typed as they stand are run."""

from __future__ import annotations

import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from pages import type_line

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
LIMIT = "20"
PROGRAMS = {"sqeval": "sqeval.cli.app", "sqllava": "sqllava.cli.app"}


def commands(page: Path, prompt: str) -> list[str]:
    """Lines of the console blocks that start with `prompt`, without their comments."""
    text = re.sub(r"\\\n\s*", "", page.read_text("utf-8"))  # commands over several lines
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    lines = [re.split(r"  #| > ", line)[0].strip() for block in blocks for line in block.splitlines()]
    return [line.removeprefix(prompt) for line in lines if line.startswith((prompt + "sqeval ", prompt + "sqllava "))]


RUNNABLE = commands(REPOSITORY / "README.md", "$ ")
SHOWN = sorted({line for page in PAGES for line in commands(page, "$ ") + commands(page, "")})


def shortened(arguments: list[str]) -> list[str]:
    """The same command on few questions."""
    if arguments[1] != "run":
        return arguments
    if "--limit" in arguments:
        arguments[arguments.index("--limit") + 1] = LIMIT
        return arguments
    return [*arguments, "--limit", LIMIT]


@pytest.mark.parametrize("line", SHOWN)
def test_is_accepted(line: str) -> None:
    """Options and arguments are those of the command; nothing is run."""
    program, *arguments = shlex.split(line)
    group: Any = typer.main.get_command(import_module(PROGRAMS[program]).app)
    context = group.make_context(program, list(arguments))
    while hasattr(group, "resolve_command"):
        name, group, arguments = group.resolve_command(context, arguments)
        context = group.make_context(name, list(arguments), parent=context)


def test_the_readme_s_commands_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert RUNNABLE
    for line in RUNNABLE:
        type_line(shlex.join(shortened(shlex.split(line))))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text("utf-8"))
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_the_readme_opens_with_two_commands() -> None:
    lines = (REPOSITORY / "README.md").read_text("utf-8").splitlines()
    opening = [line.split("#")[0].strip() for line in lines[1:6] if line.startswith("    ")]
    assert opening == ["make demo", "make test"]


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z-]+)`", page.read_text("utf-8"))}
    assert named <= targets


def test_the_layout_names_every_folder() -> None:
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    named = set(re.findall(r"^\| `([\w/]+)/` \|", readme, re.MULTILINE))
    assert all((REPOSITORY / folder).is_dir() for folder in named)
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        folders = {line.split("/")[0] for line in listed.stdout.splitlines() if "/" in line and line[0] != "."}
        assert folders == {folder.split("/")[0] for folder in named}
