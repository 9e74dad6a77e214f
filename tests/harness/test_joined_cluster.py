"""A cluster that runs already, of two machines as Ray sees it: joined, one of them lost, and left as it was."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
import pytest
from shades import Looker, environment, write_data
from test_survival import content

from sqeval.config import RunConfig
from sqeval.errors import UserError
from sqeval.evaluation import evaluate
from sqeval.workers.cluster import cluster

Make = Callable[..., RunConfig]
SCRIPT = """
import sys
import tempfile
import hands
from sqeval.config import RunConfig
from sqeval.evaluation import evaluate
from sqeval.progress import Lines
from sqeval.workers.pool import pool
data, out, address = sys.argv[1:]
config = RunConfig(tasks=("shades",), data=data, out=out, name="run", workers=2, ray_address=address, device="cpu")
with pool(config, Lines(), hands.slow) as model:
    evaluate(config, model=model)
"""
RAY = [sys.executable, "-m", "ray.scripts.scripts"]


def free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def node(arguments: list[str], surroundings: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A machine of a cluster, with one core, and everything that belongs to it in one session."""
    command = [*RAY, "start", *arguments, "--num-cpus=1", "--disable-usage-stats", "--block"]
    with subprocess.Popen(command, env=surroundings, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill it with all that it started."""
    if process.poll() is None:
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for one in family:
            one.kill()


def answering(process: subprocess.Popen[bytes]) -> bool:
    family = psutil.Process(process.pid).children(recursive=True)
    return any(one.cmdline()[:1] == ["ray::Worker.answer"] for one in family)


def reached(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_a_machine_of_the_cluster_is_lost(config: Make, site: Path, tmp_path: Path) -> None:
    data = write_data(tmp_path / "many", images=120)  # enough that both machines get some
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    surroundings = environment(site) | token | {"OMP_NUM_THREADS": "1"}
    port = free_port()
    with ExitStack() as stack:
        short = stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True))
        head = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={short}"]
        stack.enter_context(node(head, surroundings))
        until(lambda: reached(port))
        other = stack.enter_context(node([f"--address=127.0.0.1:{port}"], surroundings))
        command = [sys.executable, "-c", SCRIPT, str(data), str(tmp_path / "results"), f"127.0.0.1:{port}"]
        run = subprocess.Popen(command, env=surroundings, stderr=subprocess.PIPE, text=True)
        samples = config().folder / "shades" / "samples.jsonl"
        until(lambda: samples.is_file() and samples.read_bytes().count(b"\n") >= 3 and answering(other), run)
        end(other)
        _, told = run.communicate(timeout=300)
    assert run.returncode == 0, told
    evaluate(config(name="whole", data=str(data)), model=Looker())
    assert content(config().folder) == content(config(name="whole").folder)
    shares = json.loads((config().folder / "run.json").read_bytes())["throughput"]["workers"]
    assert sum(share["questions"] for share in shares) == 361
    assert any(share["lost"] for share in shares)


def until(true: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    began = time.monotonic()
    while not true():
        assert process is None or process.poll() is None
        assert time.monotonic() - began < 120
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:{port}", "no cluster can be joined there"),
        ("nowhere", "HOST:PORT"),
        ("ray://127.0.0.1:{port}", "start sqeval on a machine of the cluster"),
    ],
)
def test_an_address_without_a_cluster_is_one_message(address: str, words: str) -> None:
    address = address.format(port=free_port())
    with pytest.raises(UserError, match=words) as caught, cluster(address, 2):
        pass
    assert str(caught.value).startswith(f"--ray-address {address}: ")
