"""What models run on: the GPU as torch sees it, and memory."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sqeval.doctor.check import Check, State
from sqeval.requirements import installed

GIB = 2**30
LITTLE, TOO_LITTLE = 4 * GIB, GIB // 2
"""Bytes of memory: below the first only small models fit, below the second none does."""
UNLIMITED = 2**60
"""What control groups say where there is no limit is more than this."""
MEMINFO = Path("/proc/meminfo")
CGROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)


def torch() -> Iterator[Check]:
    """That torch can be imported, and where models will run."""
    if installed("torch") is None:
        return  # `packages` says so
    try:
        import torch
    except Exception as error:  # a broken build fails in many ways
        why = str(error).partition("\n")[0]
        yield Check("torch", State.PROBLEM, f"cannot be imported: {why}", "pip install --force-reinstall torch")
        return
    if torch.cuda.is_available():
        yield from _gpus()
        return
    gpu = _nvidia()
    if gpu is None:
        yield Check("torch", State.OK, f"{torch.__version__}, on the CPU ({os.cpu_count()} cores)")
        return
    why, remedy = _unusable(torch.version.cuda)
    yield Check("torch", State.WARNING, f"{torch.__version__}, on the CPU, though there is {gpu}: {why}", remedy)


def memory() -> Iterator[Check]:
    """What this process may still take, whoever limits it."""
    known = {name: size for name, size in _limits() if size is not None}
    if not known:
        return
    name, free = min(known.items(), key=lambda item: item[1])
    found = f"{free / GIB:.1f} GiB to be had ({name})"
    if free >= LITTLE:
        yield Check("memory", State.OK, found)
        return
    remedy = (
        "ulimit -v unlimited" if name == "ulimit" else "sqeval run --batch-tokens 2048 --workers 0 holds less at once"
    )
    state = State.PROBLEM if free < TOO_LITTLE else State.WARNING
    yield Check("memory", state, f"{found}: a model of 7 billion parameters takes 14 GiB or more", remedy)


def _gpus() -> Iterator[Check]:
    import torch

    places = range(torch.cuda.device_count())
    gpus = [torch.cuda.get_device_properties(place) for place in places]
    seen = ", ".join(f"{gpu.name} ({gpu.total_memory / GIB:.0f} GiB)" for gpu in gpus)
    yield Check("torch", State.OK, f"{torch.__version__}, {seen}")
    for place, gpu in zip(places, gpus, strict=True):
        free, total = torch.cuda.mem_get_info(place)
        if free < total / 2:
            told = (
                f"{gpu.name} {place}: {free / GIB:.0f} of {total / GIB:.0f} GiB are free; another program has the rest"
            )
            yield Check("gpu memory", State.WARNING, told, f"nvidia-smi -i {place}, or sqeval run --device cuda:OTHER")


def _nvidia() -> str | None:
    """The first GPU that the driver's own program lists."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=30, check=False)
        if found := re.search(r"^GPU \d+: ([^(\n]+)", done.stdout, re.MULTILINE):
            return found[1].strip()
    return None


def _unusable(cuda: str | None) -> tuple[str, str]:
    """Why torch does not see the GPU that the driver sees, and the remedy."""
    if cuda is None:
        return (
            "this torch is built for CPUs alone",
            "pip install --force-reinstall torch, not from an index of CPU builds",
        )
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and not re.match(r"\d|GPU-|MIG-", hidden):
        return f"CUDA_VISIBLE_DEVICES={hidden!r} hides it", "unset CUDA_VISIBLE_DEVICES"
    why = f"the driver is too old for CUDA {cuda}, or broken"
    return (
        why,
        f"nvidia-smi shows what the driver can do; update it, or install a torch built for less than CUDA {cuda}",
    )


def _limits() -> Iterator[tuple[str, int | None]]:
    """Who limits this process, and what is left."""
    with contextlib.suppress(OSError):
        told = re.search(r"^MemAvailable:\s+(\d+) kB", MEMINFO.read_text(), re.MULTILINE)
        yield "free", int(told[1]) * 1024 if told else None
    for limit, used in CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # no such control group, or "max"
            most = int(limit.read_text())
            yield "control group", most - int(used.read_text()) if most < UNLIMITED else None
    with contextlib.suppress(ImportError, OSError):
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        yield "ulimit", most if most != resource.RLIM_INFINITY else None
