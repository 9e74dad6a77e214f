"""Which packages sqeval asks for, which are there, and whether the two fit."""

from __future__ import annotations

import re
from importlib import metadata
from operator import eq, ge, gt, le, lt, ne

_COMPARISONS = {"<": lt, "<=": le, ">": gt, ">=": ge, "==": eq, "!=": ne}


def required(package: str) -> list[tuple[str, str]]:
    """(name, condition) of what `package` needs without extras: ``("torch", ">=2.6")``.

    Raises PackageNotFoundError if it is not installed.
    """
    lines = metadata.requires(package) or []
    return [_requirement(line) for line in lines if "extra ==" not in line]


def installed(package: str) -> str | None:
    """Version of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def satisfies(version: str | None, condition: str) -> bool:
    """Whether a version such as ``5.2.0rc1+cpu`` meets ``<6,>=5.2``; compares the numbers of the release alone.

    None, what is not installed, meets nothing.
    """
    if version is None:
        return False
    ours = _release(version)
    for part in filter(None, condition.split(",")):
        sign, limit = part[:2].rstrip("0123456789"), _release(part.lstrip("<>=!"))
        width = max(len(ours), len(limit))
        have, need = (numbers + (0,) * (width - len(numbers)) for numbers in (ours, limit))
        if not _COMPARISONS[sign](have, need):
            return False
    return True


def _requirement(line: str) -> tuple[str, str]:
    """``torch>=2.6; marker`` to (``torch``, ``>=2.6``)."""
    match = re.match(r"([\w.-]+)(?:\[[^]]*])?\s*\(?([^;)]*)", line)
    if match is None:
        raise ValueError(f"unreadable requirement {line!r}")
    return match.group(1), match.group(2).replace(" ", "")


def _release(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match.group().split("."))) if match else ()
