"""A run killed at any moment and continued ends with the same bytes as one that was left alone."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from shades import Looker, environment

from sqeval.config import RunConfig
from sqeval.errors import DataError, UserError
from sqeval.evaluation import evaluate

Make = Callable[..., RunConfig]
FILE_EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"})
SCRIPT = """
import sys, time
from shades import Looker
from sqeval.config import RunConfig
from sqeval.evaluation import evaluate
data, out = sys.argv[1:]
evaluate(RunConfig(tasks=("shades",), data=data, out=out, name="run"), model=Looker(lambda number: time.sleep(0.05)))
"""


def content(folder: Path) -> dict[str, bytes]:
    """All files but run.json, which holds times."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if path.name != "run.json"}


@pytest.fixture
def expected(config: Make) -> dict[str, bytes]:
    """What an uninterrupted run leaves."""
    evaluate(config(name="whole"), model=Looker())
    found = content(config(name="whole").folder)
    assert sorted(found) == ["shades/metrics.json", "shades/samples.jsonl", "shades/submission.json"]
    return found


def in_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked process; its exit status as `os.waitstatus_to_exitcode` gives it (-9: SIGKILL)."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dying_at_answer(number: int) -> Looker:
    def before(now: int) -> None:
        if now == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return Looker(before)


def die_at_file_event(number: int, folder: Path) -> None:
    """Let SIGKILL end this process just before it touches a file in `folder` for the `number`-th time."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in FILE_EVENTS and str(folder) in str(arguments[0]):
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


@pytest.mark.parametrize("number", [0, 1, 12, 24])
def test_killed_while_answering(number: int, config: Make, expected: dict[str, bytes]) -> None:
    assert in_child(lambda: evaluate(config(), model=dying_at_answer(number))) == -signal.SIGKILL
    assert content(config().folder)["shades/samples.jsonl"].count(b"\n") == number
    rest = Looker()
    evaluate(config(), model=rest)
    assert len(rest.asked) == 25 - number  # what was written is not asked again
    assert content(config().folder) == expected


def test_killed_again_and_again(config: Make, expected: dict[str, bytes]) -> None:
    for _ in range(8):
        assert in_child(lambda: evaluate(config(), model=dying_at_answer(3))) == -signal.SIGKILL
    evaluate(config(), model=Looker())
    assert content(config().folder) == expected


def test_killed_at_every_touch_of_a_file(config: Make, expected: dict[str, bytes]) -> None:
    points = 0
    while True:
        target = config(name=f"run{points}")

        def work(number: int = points + 1, target: RunConfig = target) -> None:
            die_at_file_event(number, target.folder)
            evaluate(target, model=Looker())

        status = in_child(work)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        evaluate(target, model=Looker())
        assert content(target.folder) == expected, f"killed at file event {points + 1}"
        assert json.loads((target.folder / "run.json").read_bytes())["status"] == "complete"
        points += 1
    assert points > 20
    assert content(target.folder) == expected


def test_killed_during_a_fresh_start(config: Make, data: Path, expected: dict[str, bytes]) -> None:
    for number in range(1, 12):
        target = config(name=f"run{number}")
        evaluate(config(name=f"run{number}", limit=6), model=Looker())

        def work(number: int = number, target: RunConfig = target) -> None:
            die_at_file_event(number, target.folder)
            evaluate(target, model=Looker(), fresh=True)

        assert in_child(work) == -signal.SIGKILL
        evaluate(target, model=Looker(), fresh=True)
        assert content(target.folder) == expected


@pytest.mark.parametrize("torn", [1, 60])
def test_a_torn_last_line_is_asked_again(torn: int, config: Make, expected: dict[str, bytes]) -> None:
    in_child(lambda: evaluate(config(), model=dying_at_answer(10)))
    path = config().folder / "shades" / "samples.jsonl"
    path.write_bytes(path.read_bytes()[:-torn])
    rest = Looker()
    evaluate(config(), model=rest)
    assert len(rest.asked) == 16
    assert content(config().folder) == expected


def test_a_bad_line_that_no_crash_leaves_is_refused(config: Make) -> None:
    evaluate(config(), model=Looker())
    path = config().folder / "shades" / "samples.jsonl"
    first, second, *rest = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([first, second[:20], *rest]))
    with pytest.raises(DataError, match=r"samples\.jsonl:2: .*--fresh"):
        evaluate(config(), model=Looker())
    evaluate(config(), model=Looker(), fresh=True)


def test_a_full_disk_is_one_message_and_loses_nothing(config: Make, expected: dict[str, bytes]) -> None:
    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))
        with pytest.raises(UserError, match=r"samples\.jsonl: cannot be written"):
            evaluate(config(), model=Looker())

    assert in_child(work) == 0
    assert content(config().folder)["shades/samples.jsonl"].count(b"\n") > 5
    rest = Looker()
    evaluate(config(), model=rest)
    assert len(rest.asked) < 20
    assert content(config().folder) == expected


def test_a_second_process_is_refused_and_a_killed_one_holds_nothing(
    config: Make, data: Path, site: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    command = [sys.executable, "-c", SCRIPT, str(data), str(tmp_path / "results")]
    with subprocess.Popen(command, env=environment(site)) as other:
        samples = config().folder / "shades" / "samples.jsonl"
        while not (samples.is_file() and samples.read_bytes().count(b"\n") >= 3):
            assert other.poll() is None
            time.sleep(0.01)
        with pytest.raises(UserError, match="in use by another process"):
            evaluate(config(), model=Looker())
        other.kill()
    rest = Looker()
    evaluate(config(), model=rest)
    assert 0 < len(rest.asked) < 25
    assert content(config().folder) == expected


def test_a_child_of_a_killed_process_holds_nothing(config: Make) -> None:
    ours, theirs = os.pipe()

    def work(number: int) -> None:
        if number == 3:
            if os.fork() == 0:  # as a process that opens images ahead of the model
                os.close(theirs)
                os.read(ours, 1)
                os._exit(0)
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(lambda: evaluate(config(), model=Looker(work))) == -signal.SIGKILL
    rest = Looker()
    evaluate(config(), model=rest)
    assert len(rest.asked) == 22
    os.write(theirs, b"x")
    os.close(theirs)
    os.close(ours)
