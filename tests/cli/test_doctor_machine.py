"""`sqeval doctor` about GPUs, memory, disks, data and the network: real faults, put there on purpose."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from sqeval.data.mini import ensure_mini
from sqeval.doctor import State, machine, places

Checked = Callable[..., dict[str, dict[str, Any]]]

ONE = """
import json, sys
from dataclasses import asdict
from importlib import import_module
module, check = sys.argv[1].split(".")
print(json.dumps([asdict(found) for found in getattr(import_module(f"sqeval.doctor.{module}"), check)()]))
"""


@pytest.fixture
def checked(tmp_path: Path) -> Checked:
    """Runs one check in a process and a folder of its own; what it found by name."""

    def run(check: str, *, limits: str = "", **environment: str) -> dict[str, dict[str, Any]]:
        command = ["sh", "-c", f'{limits}exec "$@"', "sh", sys.executable, "-c", ONE, check]
        where = {**os.environ, "SQEVAL_CACHE": str(tmp_path / "cache"), **environment}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=where, check=True)
        return {found["name"]: found for found in json.loads(done.stdout)}

    return run


def nvidia_smi(folder: Path, says: str) -> str:
    """A PATH on which the driver's program lists a GPU."""
    folder.mkdir()
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\nprintf '{says}'\n")
    (folder / "nvidia-smi").chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.skipif(torch.version.cuda is not None, reason="this torch can use a GPU")
def test_a_torch_for_cpus_beside_a_gpu(checked: Checked, tmp_path: Path) -> None:
    checks = checked(
        "machine.torch", PATH=nvidia_smi(tmp_path / "bin", "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)\\n")
    )
    assert checks["torch"]["state"] == "warning"
    assert "though there is NVIDIA H100 80GB HBM3: this torch is built for CPUs alone" in checks["torch"]["found"]
    assert checks["torch"]["remedy"].startswith("pip install --force-reinstall torch")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_driver_without_a_gpu_is_no_gpu(checked: Checked, tmp_path: Path) -> None:
    checks = checked("machine.torch", PATH=nvidia_smi(tmp_path / "bin", "No devices were found\\n"))
    assert checks["torch"]["state"] == "ok"


@pytest.mark.parametrize(
    ("hidden", "words", "remedy"),
    [
        ("", "hides it", "unset CUDA_VISIBLE_DEVICES"),
        ("-1", "hides it", "unset"),
        ("0", "driver is too old", "nvidia-smi"),
    ],
)
def test_a_torch_for_gpus_that_sees_none(hidden: str, words: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    found, what = machine._unusable("12.8")
    assert words in found
    assert what.startswith(remedy)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_little_memory_is_a_warning(checked: Checked) -> None:
    checks = checked("machine.memory", limits="ulimit -v 4000000; ")
    assert checks["memory"]["state"] == "warning"
    assert "3.8 GiB to be had (ulimit)" in checks["memory"]["found"]
    assert checks["memory"]["remedy"] == "ulimit -v unlimited"


def test_a_control_group_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files as the kernel has them in a container with 512 MiB, of which 412 are taken."""
    limit, used = tmp_path / "memory.max", tmp_path / "memory.current"
    monkeypatch.setattr(machine, "CGROUPS", ((limit, used),))
    limit.write_text(f"{512 * 2**20}\n")
    used.write_text(f"{412 * 2**20}\n")
    (check,) = machine.memory()
    assert check.state is State.PROBLEM
    assert check.found.startswith("0.1 GiB to be had (control group)")
    limit.write_text("max\n")
    (check,) = machine.memory()
    assert "control group" not in check.found


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "LITTLE", shutil.disk_usage(tmp_path).total + 1)
    checks = {check.name: check for check in places.folders()}
    assert checks["results"].state is State.WARNING
    assert checks["results"].remedy == "free some space, or sqeval run --out FOLDER"
    monkeypatch.setattr(places, "TOO_LITTLE", shutil.disk_usage(tmp_path).total + 1)
    checks = {check.name: check for check in places.folders()}
    assert checks["results"].state is State.PROBLEM


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_is_read_only(checked: Checked, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o555)
    checks = checked("places.folders")
    assert checks["cache"]["state"] == "warning"
    assert "Permission denied" in checks["cache"]["found"]


def test_a_hub_cache_that_cannot_be_written(checked: Checked, tmp_path: Path) -> None:
    (tmp_path / "hf").write_text("a file where the folder belongs")
    checks = checked("places.folders", HF_HOME=str(tmp_path / "hf"))
    assert checks["hub cache"]["state"] == "warning"
    assert checks["hub cache"]["remedy"] == "export HF_HOME=FOLDER"


def test_data_that_is_not_there(checked: Checked, tmp_path: Path) -> None:
    checks = checked("places.data", SQEVAL_DATA=str(tmp_path / "gone"))
    assert checks["data"]["state"] == "warning"
    assert "gone" in checks["data"]["found"]
    assert checks["data"]["remedy"].startswith("sqeval data check ")
    (tmp_path / "empty").mkdir()
    assert checked("places.data", SQEVAL_DATA=str(tmp_path / "empty"))["data"]["state"] == "warning"


def test_data_that_is_there(checked: Checked) -> None:
    checks = checked("places.data", SQEVAL_DATA=str(ensure_mini()))
    assert checks["data"]["state"] == "ok"
    assert "pope" in checks["data"]["found"]
    assert "; not " in checks["data"]["found"]  # the mini suite does not have all benchmarks


def test_a_hub_that_cannot_be_reached(checked: Checked) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and not listening: refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        checks = checked("places.hub", HF_HUB_OFFLINE="0", HF_ENDPOINT=address, no_proxy="127.0.0.1")
    assert checks["hub"]["state"] == "warning"
    assert f"{address} cannot be reached" in checks["hub"]["found"]
    assert checks["hub"]["remedy"].startswith("export HF_HUB_OFFLINE=1")


def test_a_hub_that_can(checked: Checked) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(404)  # an answer, too

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        checks = checked("places.hub", HF_HUB_OFFLINE="0", HF_ENDPOINT=address, no_proxy="127.0.0.1")
        server.shutdown()
    assert checks["hub"] == {"name": "hub", "state": "ok", "found": f"{address} can be reached", "remedy": None}


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_whatever_is_wrong_has_a_remedy(tmp_path: Path) -> None:
    """The whole command, on a machine with several faults."""
    (tmp_path / "results").write_text("a file where the folder belongs")
    command = ["sh", "-c", f"ulimit -v 4000000; exec {sys.executable} -m sqeval doctor --json"]
    where = {**os.environ, "SQEVAL_DATA": "gone", "SQEVAL_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=where, check=False)
    assert done.returncode == 5, done.stderr
    wrong = [check for check in json.loads(done.stdout)["checks"] if check["state"] != "ok"]
    assert {"memory", "data", "results"} <= {check["name"] for check in wrong}
    assert all(check["remedy"] for check in wrong)
