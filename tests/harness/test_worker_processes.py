"""What workers leave when the command that started them ends, and what they refuse to start with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hands
import psutil
import pytest
from shades import Looker, environment
from test_survival import content

from sqeval.config import RunConfig, resolve
from sqeval.errors import UserError
from sqeval.evaluation import evaluate
from sqeval.progress import Silent
from sqeval.workers.cluster import Room, room
from sqeval.workers.worker import Worker, versions

Make = Callable[..., RunConfig]
SCRIPT = """
import sys
import tempfile
import hands
from sqeval.config import RunConfig
from sqeval.evaluation import evaluate
from sqeval.progress import Silent
from sqeval.workers.pool import pool
data, out = sys.argv[1:]
config = RunConfig(tasks=("shades",), data=data, out=out, name="run", workers=2, device="cpu")
with pool(config, Silent(), hands.slow) as model:
    evaluate(config, model=model)
"""
COMMAND = "import sys; sys.modules['ray'] = None; from sqeval.cli.app import main; main()"


@pytest.fixture
def ours() -> Iterator[Path]:
    """A folder for Ray's files, which needs a short name."""
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def started(config: Make, data: Path, site: Path, tmp_path: Path, ours: Path) -> Iterator[psutil.Process]:
    """A process that asks by two workers, and has three answers on disk. All that it starts must end with it."""
    surroundings = environment(site) | {"TMPDIR": str(ours), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, str(data), str(tmp_path / "results")]
    with (
        open(tmp_path / "stderr", "wb") as errors,
        subprocess.Popen(command, env=surroundings, stderr=errors, start_new_session=True) as process,
    ):
        samples = config().folder / "shades" / "samples.jsonl"
        while not (samples.is_file() and samples.read_bytes().count(b"\n") >= 3):
            assert process.poll() is None
            time.sleep(0.01)
        driver = psutil.Process(process.pid)
        # But for Ray's own agents, which take a minute to see that they are alone.
        working = [child for child in driver.children(recursive=True) if "Agent" not in child.name()]
        assert len(working) > 3
        assert os.listdir(ours)
        yield driver
        process.wait()
        _, alive = psutil.wait_procs(working, timeout=60)
        assert not alive


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGKILL, -9),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, -2, marks=pytest.mark.slow),
    ],
)
def test_a_run_whose_command_is_ended_goes_on(
    number: signal.Signals, code: int, started: psutil.Process, config: Make, tmp_path: Path, ours: Path
) -> None:
    if number == signal.SIGINT:
        os.killpg(started.pid, number)  # as Ctrl-C does
    else:
        started.send_signal(number)
    assert started.wait(60) == code, (tmp_path / "stderr").read_text("utf-8")
    rest = Looker()
    evaluate(config(), model=rest)
    assert 0 < len(rest.asked) <= 22
    evaluate(config(name="whole"), model=Looker())
    assert content(config().folder) == content(config(name="whole").folder)
    if number != signal.SIGKILL:
        assert os.listdir(ours) == []


def test_without_ray_one_message_says_what_to_install(data: Path, site: Path, tmp_path: Path) -> None:
    told = ["run", "--tasks", "shades", "--data", str(data), "--ckpt", "mini", "--workers", "2", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *told], env=environment(site), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'sqeval[ray]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "mini-data").exists()


def test_one_worker_needs_no_ray(config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert evaluate(config(model="majority", workers=1)).errored == 0


def test_baselines_need_no_workers(config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(Silent, "note", lambda self, what: told.append(what))
    monkeypatch.setitem(sys.modules, "ray", None)
    evaluate(config(model="majority", workers=4))
    assert told[0] == "--workers: model majority computes nothing that they could share; one answers"


@pytest.mark.parametrize("given", [{"workers": 0}, {"workers": "auto"}, {"ray_address": ""}])
def test_flags_are_checked(given: dict[str, object]) -> None:
    with pytest.raises(UserError, match="--" + next(iter(given)).replace("_", "-")):
        resolve({"tasks": "pope", "data": "mini", **given})


@pytest.mark.parametrize(
    ("machines", "workers", "device", "expected"),
    [
        ([{"CPU": 2}], 2, "auto", Room(0, 1, 2)),
        ([{"CPU": 16}], 4, "cpu", Room(0, 4, 4)),
        ([{"CPU": 2}], 4, "auto", Room(0, 1, 2)),
        ([{"CPU": 8}, {"CPU": 2}], 2, "auto", Room(0, 2, 2)),  # a share fits on the smallest machine
        ([{"CPU": 96, "GPU": 8}], 8, "auto", Room(1, 12, 8)),
        ([{"CPU": 96, "GPU": 8}] * 8, 64, "cuda", Room(1, 12, 64)),
        ([{"CPU": 96, "GPU": 8}, {"CPU": 16, "GPU": 4}, {"CPU": 4}], 16, "auto", Room(1, 4, 12)),
        ([{"CPU": 2, "GPU": 4}], 4, "auto", Room(1, 0, 4)),  # fewer cores than GPUs
        ([{"CPU": 16, "GPU": 4}], 4, "cpu", Room(0, 4, 4)),
    ],
)
def test_room(machines: list[dict[str, float]], workers: int, device: str, expected: Room) -> None:
    assert room(machines, workers, device) == expected


@pytest.mark.parametrize(("device", "words"), [("cuda:1", "from Ray"), ("cuda", "no GPU"), ("mps", "from Ray")])
def test_devices_that_workers_cannot_have(device: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        room([{"CPU": 8}], 2, device)


def test_a_machine_with_other_packages_or_without_the_files_is_named(config: Make, tmp_path: Path) -> None:
    here, there = os.getcwd(), str(tmp_path / "no such folder")
    told = config(model="looker").model_dump_json()
    worker = Worker()
    with pytest.raises(UserError, match=r"node \S+ has torch .* instead of 1\.0\.0; install the same versions"):
        worker.load(told, hands.healthy, here, [], versions() | {"torch": "1.0.0"})
    with pytest.raises(UserError, match=rf"node \S+ has no {there}; checkpoint and data must"):
        worker.load(told, hands.healthy, here, [there], versions())
    assert worker.load(told, hands.healthy, here, [str(tmp_path)], versions()).identity == Looker.identity
    with pytest.raises(UserError, match=rf"node \S+ has no {there}"):
        list(worker.answer([], [there]))
