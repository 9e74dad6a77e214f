"""Ray: started on this machine for the time of a run, or joined where a cluster runs already."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from sqeval.errors import UserError

SHORT = 24
"""Characters of a folder for temporary files below which sockets can be made: the kernel takes paths of 107."""
CONNECTED = 10.0
"""Seconds in which the head of a cluster must take a connection."""
TRIES = 2
"""Ray gives itself half a minute to start, which a busy machine may miss."""
STORE = 100 << 20
"""Bytes of memory that Ray's processes share; ours tell each other little."""


@dataclass(frozen=True)
class Room:
    """What one worker gets."""

    gpus: int
    """1, or 0 on a CPU."""
    cores: int
    """Its share of a machine: threads on a CPU, processes that open images beside a GPU, where it may be 0."""
    workers: int
    """How many of them can be at work now."""


@contextmanager
def cluster(address: str | None, workers: int, *, cpu: bool = False) -> Iterator[Any]:
    """Ray's module, connected to the cluster at `address`, or to one that lives as long as the block.

    workers: how many there will be; one started here has room for so many.
    cpu: do not look for GPUs.

    SIGTERM ends the block as Ctrl-C does. Raises UserError if Ray is not installed, the cluster cannot be reached, or
    it has another version of Ray or Python.
    """
    ray = _ray()
    if ray.is_initialized():  # the caller's own
        yield ray
        return
    from ray._private import ray_constants, worker

    with ExitStack() as stack:
        # Ray writes a paragraph about each worker that dies to stdout, where results go; there is no switch for it.
        stack.enter_context(_changed(worker, "print_to_stdstream", lambda *_, **__: None))
        if address is None:
            # As Ray does on other systems, listen to this machine alone: whoever reaches a cluster can run code on it.
            stack.enter_context(_changed(ray_constants, "ENABLE_RAY_CLUSTER", False))
            _start(ray, stack.enter_context(_short_folder()), workers, cpu)
        else:
            _join(ray, address)
        stack.callback(ray.shutdown)
        stack.enter_context(_ended_by_sigterm())
        yield ray


def machines(ray: Any) -> list[Mapping[str, float]]:
    """What each machine of the cluster has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def room(machines: Sequence[Mapping[str, float]], workers: int, device: str) -> Room:
    """What each of `workers` gets on machines with these numbers of ``CPU`` and ``GPU``; one GPU if there are any and
    `device` allows it.

    Raises UserError if `device` is a GPU and there is none, or a certain one.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"--device {device}: workers get their GPUs from Ray; give auto, cuda or cpu")
    cores = [int(machine.get("CPU", 0)) for machine in machines]
    gpus = [int(machine.get("GPU", 0)) for machine in machines]
    if device != "cpu" and any(gpus):
        share = min(c // g for c, g in zip(cores, gpus, strict=True) if g)
        return Room(1, share, min(workers, sum(gpus)))
    if device == "cuda":
        raise UserError("--device cuda: the cluster has no GPU; `ray status` shows what it has")
    share = max(1, min([sum(cores) // workers, *(c for c in cores if c)]))
    return Room(0, share, min(workers, sum(c // share for c in cores)))


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # asks no server, and no question on the terminal
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # as it will be, and Ray would warn of it
    try:
        import ray
    except ImportError as error:
        raise UserError(f"several workers need Ray ({error}): pip install 'sqeval[ray]'") from None
    return ray


def _start(ray: Any, folder: str, workers: int, cpu: bool) -> None:
    """A cluster of this machine alone, which the network does not see. Raises UserError."""
    if not any(name.startswith("RAY_AUTH_") for name in os.environ):
        # Only who knows it may use the cluster. Ray would keep one in the user's home, which may be read-only.
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for attempt in range(TRIES):
        try:
            ray.init(
                address="local", _temp_dir=folder, num_cpus=max(cores, workers), num_gpus=0 if cpu else None,
                object_store_memory=STORE, include_dashboard=False, **_SILENT,
            )  # fmt: skip
            return
        except Exception as error:  # Ray's own for "timed out" is of no other kind
            ray.shutdown()
            if attempt == TRIES - 1:
                raise UserError(f"Ray cannot be started on this machine: {error}") from error


def _join(ray: Any, address: str) -> None:
    if "://" in address:
        raise UserError(f"--ray-address {address}: start sqeval on a machine of the cluster; give HOST:PORT or auto")
    try:
        host, _, port = address.rpartition(":")
        if address != "auto":
            socket.create_connection((host, int(port)), timeout=CONNECTED).close()  # Ray would try for minutes
        ray.init(address=address, **_SILENT)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"--ray-address {address}: no cluster can be joined there: {reason}; give HOST:PORT of its head or auto "
            "(one that asks for a token wants RAY_AUTH_MODE=token)"
        ) from None


_SILENT: Mapping[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}


@contextmanager
def _short_folder() -> Iterator[str]:
    """A folder for Ray's files, gone afterwards, whose name leaves room for those of sockets."""
    usual = tempfile.gettempdir()
    folder = tempfile.mkdtemp(prefix="sqeval-", dir=usual if len(usual) < SHORT else "/tmp")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM raises SystemExit, with the code that shells expect, so that what was begun is ended."""
    try:
        before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    except ValueError:  # not in the main thread, where signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _changed(module: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)
