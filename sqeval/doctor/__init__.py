"""What this machine has, what `sqeval run` needs, and the command that puts each difference right."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqeval.doctor import machine, packages, places, programs
from sqeval.doctor.check import Check, State

__all__ = ["CHECKS", "Check", "State", "examine"]

CHECKS: tuple[Callable[[], Iterator[Check]], ...] = (
    packages.python, packages.packages, machine.torch, packages.torchvision, packages.transformers, machine.memory,
    programs.java, programs.spice, programs.browser, packages.tasks, places.mini, places.data, places.hub,
    places.folders,
)  # fmt: skip


def examine() -> list[Check]:
    """All checks, none of which raises."""
    return [found for check in CHECKS for found in _guarded(check)]


def _guarded(check: Callable[[], Iterator[Check]]) -> list[Check]:
    try:
        return list(check())
    except Exception as error:  # a check that fails must not hide the others
        return [Check(check.__name__, State.WARNING, f"could not be checked: {type(error).__name__}: {error}")]
