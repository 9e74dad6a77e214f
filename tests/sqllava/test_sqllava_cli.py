"""The `sqllava` command as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from sqllava.cli.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_help_imports_no_torch() -> None:
    code = "import sys, sqllava, sqllava.cli.app; print('torch' in sys.modules or 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    shown = run("--help")
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in ("train", "info", "ask"))


def test_info(tiny_checkpoint: Path) -> None:
    done = run("info", str(tiny_checkpoint))
    assert done.returncode == 0, done.stderr
    assert "cluster: 5 prototypes, 2 iterations" in done.stdout
    assert "pad to 24 pixels, patches of 8, 9 tokens" in done.stdout


def test_ask(tiny_checkpoint: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    Image.effect_noise((40, 30), 80).save(image)
    done = run("ask", str(image), "--ckpt", str(tiny_checkpoint), "-n", "2", "--preface", "none")
    assert done.returncode == 0, done.stderr
    assert "1. " in done.stdout
    assert "2. " in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "nowhere"], "checkpoint 'nowhere': no such folder"),
        (["ask", "nowhere.png"], "image nowhere.png cannot be opened: No such file"),
    ],
)
def test_bad_input_is_one_message_and_exit_2(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"sqllava: {message}")
    assert done.stderr.count("\n") == 1
