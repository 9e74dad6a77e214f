"""The Tab key, by the protocol that the shells' scripts speak, in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sqllava
from sqeval.registry import task_names

PROGRAM = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
from {module} import main
main()
"""
MODULES = {"sqeval": "sqeval.cli.app", "sqllava": "sqllava.cli.app"}
SHELLS = ("bash", "zsh", "fish")
HEAVY = {"torch", "transformers", "pandas", "datasets", "sklearn", "PIL"}


def process(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(module=MODULES[program]), *arguments]
    where = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", **environment}
    return subprocess.run(command, capture_output=True, text=True, env=where, check=False)


def offered(line: str, shell: str = "bash") -> list[str]:
    """What `shell` is told when Tab is hit behind `line`; checks that nothing heavy was imported for it."""
    program, words = line.split()[0], line.split(" ")
    asked = {f"_{program.upper()}_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": line}
    asked |= {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = process(program, **asked)
    assert not set(json.loads(done.stderr.splitlines()[-1])) & HEAVY
    found = list(filter(None, done.stdout.splitlines()))
    if shell == "fish":
        return [each.split("\t")[0] for each in found]
    return [each.split('":"')[0].strip('"') for each in found] if shell == "zsh" else found


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sqeval comp", {"compare"}),
        ("sqeval tasks ", {"list", "show"}),
        ("sqeval run --ckpt mini --tasks po", {"pope"}),
        ("sqllava in", {"info"}),
        ("sqllava ask photo.jpg --ckpt mini-", {"mini-blind"}),
    ],
)
def test_words(line: str, expected: set[str], shell: str) -> None:
    found = "".join(offered(line, shell))
    assert all(word in found for word in expected)
    assert "leaderboard" not in found


def test_every_benchmark_is_offered() -> None:
    assert set(offered("sqeval run --tasks ")) == {*task_names(), "all"}
    assert set(offered("sqeval tasks show ")) == set(task_names())
    assert set(offered("sqeval power --task vq")) == {"vqav2"}


def test_behind_a_comma_only_others_are() -> None:
    assert offered("sqeval run --tasks gqa,po") == ["gqa,pope"]
    assert set(offered("sqeval data check mini --tasks gqa,pope,")) == {
        f"gqa,pope,{name}" for name in task_names() if name not in ("gqa", "pope")
    }


def test_checkpoints_and_adapters() -> None:
    packaged = {folder.name for folder in (Path(sqllava.__file__).parent / "pretrained").iterdir()}
    assert packaged <= set(offered("sqeval run --ckpt "))
    assert {"majority", "random"} <= set(offered("sqeval run --ckpt "))
    assert {"sqllava", "majority", "random", "replay"} <= set(offered("sqeval run --model "))
    assert set(offered("sqllava info ")) == packaged
    assert set(offered("sqeval run --ckpt ./fold")) == set()  # the shell offers folders then


def test_recipes() -> None:
    assert set(offered("sqllava train pretrain")) == {"pretrain-7b", "pretrain-13b"}


@pytest.mark.parametrize("program", MODULES)
@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_shown_and_installed(program: str, shell: str, tmp_path: Path) -> None:
    shown = process(program, "--show-completion", shell)
    assert shown.returncode == 0, shown.stderr
    assert f"_{program.upper()}_COMPLETE=complete_{shell}" in shown.stdout
    done = process(program, "--install-completion", shell, HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert f"_{program.upper()}_COMPLETE=complete_{shell}" in written


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_itself(tmp_path: Path) -> None:
    """The script, sourced; then the function that Tab calls."""
    program = tmp_path / "sqeval"
    program.write_text(f"#!{sys.executable}\nfrom sqeval.cli.app import main\nmain()\n")
    program.chmod(0o755)
    script = process("sqeval", "--show-completion", "bash").stdout
    typed = 'COMP_WORDS=(sqeval run --tasks gqa,po) COMP_CWORD=3; _sqeval_completion sqeval; echo "${COMPREPLY[@]}"'
    where = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", f"{script}\n{typed}"], capture_output=True, text=True, env=where, check=True)
    assert done.stdout == "gqa,pope\n"
