"""Training commands on several CPU processes, started as `torchrun` starts them, without its agent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SHARDED = str(Path(__file__).with_name("sharded_cpu.py"))
"""Script that runs the command with its weights spread over the processes."""


def command(root: Path, out: Path, settings: list[str]) -> list[str]:
    """Arguments of `sqllava` for the mini recipe."""
    options = [word for setting in [*settings, f"data={root}"] for word in ("--set", setting)]
    return ["train", "mini", "--cpu", "--resume", "auto", "--out", str(out), *options]


def run(
    count: int, arguments: list[str], *, script: list[str] | None = None, environment: dict[str, str] | None = None,
    terminate: tuple[int, Path, int] | None = None,
) -> list[subprocess.CompletedProcess[str]]:  # fmt: skip
    """Run `count` processes to their end.

    terminate: (rank, journal, lines): that process gets SIGTERM once the journal has so many lines.
    """
    common = {
        **os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), **(environment or {}),
    }  # fmt: skip
    line = [sys.executable, *(script or ["-m", "sqllava"]), *arguments]
    started = [
        subprocess.Popen(
            line, env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(count)
    ]  # fmt: skip
    try:
        if terminate is not None:
            rank, journal, lines = terminate
            _wait(journal, lines, started)
            started[rank].send_signal(signal.SIGTERM)
        return [_finished(process) for process in started]
    finally:
        for process in started:
            process.kill()


def _finished(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    output, errors = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def _wait(journal: Path, lines: int, started: list[subprocess.Popen[Any]]) -> None:
    while all(process.poll() is None for process in started):
        if journal.is_file() and journal.read_bytes().count(b"\n") >= lines:
            return
        time.sleep(0.002)


def free_port() -> int:
    """A port of the loopback device that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
