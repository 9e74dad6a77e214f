"""Ctrl-C while the judge is silent: the command ends, and what was judged is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock
from typing import Any

import pytest
from judge_server import judging
from judged_data import write_judged_plugins, write_mmvet

from sqeval.threads import in_order

MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # who starts us may have it ignored
    "from sqeval.cli.app import main; main()"
)
PATIENCE = 60
"""Seconds after which something hangs for good; the judge would be waited for much longer."""


def until(true: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    for _ in range(100 * PATIENCE):
        if true():
            return
        assert process is None or process.poll() is None, process and process.communicate()
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def test_ctrl_c_ends_the_command_and_the_next_one_goes_on(tmp_path: Path) -> None:
    write_mmvet(tmp_path / "data")
    released = Event()

    def silent_after_two(question: dict[str, Any], number: int) -> str:
        if number >= 2:
            released.wait()
        return "0.5"

    with judging(silent_after_two) as court:
        environment = {
            **os.environ, "OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": court.url,
            "SQEVAL_CACHE": str(tmp_path / "cache"),
            "PYTHONPATH": os.pathsep.join([str(write_judged_plugins(tmp_path / "site")), *sys.path]),
        }  # fmt: skip
        words = ["run", "--tasks", "mmvet", "--model", "majority", "--data", "data", "--judge", "gpt", "--name", "it"]

        def start() -> subprocess.Popen[str]:
            command = [sys.executable, "-c", MAIN, *words]
            pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            return subprocess.Popen(command, env=environment, cwd=tmp_path, **pipes)

        def kept() -> int:
            return sum(path.read_bytes().count(b"\n") for path in (tmp_path / "cache").rglob("judgements/*.jsonl"))

        try:
            with start() as process:
                try:
                    until(lambda: len(court.asked) == 4 and kept() == 2, process)
                    process.send_signal(signal.SIGINT)
                    _, said = process.communicate(timeout=PATIENCE)
                finally:
                    process.kill()
            assert process.returncode == 130, said
            assert "interrupted; the same command continues" in said
        finally:
            released.set()
        with start() as process:
            _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        assert len(court.asked) == 6  # two of four were answered before
    metrics = json.loads((tmp_path / "results" / "it" / "mmvet" / "metrics.json").read_bytes())
    assert metrics["metrics"]["score"]["value"] == 0.5


def test_results_are_in_order_whoever_is_first() -> None:
    lock, second = Lock(), Event()
    busy = most = 0

    def work(number: int) -> int:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        if number == 0:
            second.wait()  # the first is the last of its kind
        else:
            second.set()
        with lock:
            busy -= 1
        return 10 * number

    assert list(in_order(work, range(50), 3)) == [10 * number for number in range(50)]
    assert most <= 3
    assert list(in_order(work, [], 3)) == []


def test_what_goes_wrong_is_raised_in_its_turn_and_ends_the_work() -> None:
    begun: list[int] = []
    caught = Event()

    def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise OSError("no")
        if number == 3:
            caught.wait()
        return number

    found = in_order(work, range(10), 1)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(OSError, match="no"):
        next(found)
    until(lambda: len(begun) > 2)
    caught.set()
    assert list(found) == []
    assert begun in ([0, 1, 2], [0, 1, 2, 3])
