"""README, CONTRIBUTING and docs/: their fenced blocks, and typing what a page says in a folder of its own.

A line of a ``console`` block that begins with ``$ `` can be typed as it stands; ``# exit code 3`` behind it says with
which code it ends.  All other lines need something that is not there.  ``python`` blocks run as they stand.  The folder
is a repository of git with `docs/`, a picture `photo.jpg`, a folder of pictures `photos/` and two models in `parts/`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
PROGRAMS = {"sqeval": "sqeval.cli.app", "sqllava": "sqllava.cli.app"}
CODE = re.compile(r"^(?:# |.*  # )exit code (\d+)$")
SHELL = re.compile(r"[|<>&;$*]")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block and the line on which it starts."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def typed(self) -> list[str]:
        """The lines that can be typed as they stand, without the prompt; comments are still there."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        return [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ ")]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])


def lay_out(folder: Path) -> None:
    """What pages may take for granted."""
    import small_parts
    from PIL import Image

    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / "docs").symlink_to(DOCS)
    (folder / "photos").mkdir()
    for i, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (48, 48), colour).save(folder / "photos" / f"{i}.png")
    Image.new("RGB", (48, 48), "white").save(folder / "photo.jpg")
    small_parts.language_model(folder / "parts" / "smollm2", special=("<|im_start|>", "<|im_end|>"))
    small_parts.vision_tower(folder / "parts" / "dinov2", "dinov2")


def type_line(line: str) -> str:
    """Type a line in the current folder, check its exit code, and return what it printed on stdout."""
    command, expected = line.split("  #")[0].strip(), CODE.match(line)
    code, printed, complaint = _typed(command)
    assert code == (int(expected[1]) if expected else 0), f"{line}\n{printed}\n{complaint}"
    return printed


def _typed(command: str) -> tuple[int, str, str]:
    program, *arguments = shlex.split(command)
    if program in PROGRAMS and not SHELL.search(command):  # in this process, which has imported torch
        app: Any = import_module(PROGRAMS[program]).app
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [program, *arguments])
            done = CliRunner().invoke(app, arguments, prog_name=program, env={"COLUMNS": "160"})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = subprocess.run(
        ["bash", "-c", command], env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    return shell.returncode, shell.stdout, shell.stderr


def same_words(shown: str, printed: str) -> list[str]:
    """Lines of `shown` that `printed` has not, numbers aside; ``...`` stands for any lines."""
    there = {_words(line) for line in printed.splitlines()}
    return [line for line in shown.splitlines() if line.strip() not in ("", "...") and _words(line) not in there]


def _words(line: str) -> str:
    return " ".join(re.sub(r"<?[-+−±]?\.?\d[\d.,]*", "#", line).split())
