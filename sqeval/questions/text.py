"""Question scores as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from sqeval.questions.scoring import Scored, anchored_share, headline_name
from sqeval.questions.summary import Value
from sqeval.report.numbers import NONE


def with_interval(value: Value, digits: int = 2) -> str:
    """``1.72 ±0.19``."""
    if value.value is None:
        return NONE
    half = "" if value.low is None or value.high is None else f" ±{(value.high - value.low) / 2:.{digits}f}"
    return f"{value.value:.{digits}f}{half}"


def share(value: Value | None, digits: int = 3, *, keep_zero: bool = False) -> str:
    """``.801``, or ``0.801``."""
    if value is None or value.value is None:
        return NONE
    text = f"{value.value:.{digits}f}"
    return text if keep_zero else text.removeprefix("0")


def sentence(scored: Scored, ceiling: Scored | None = None) -> str:
    """What a paper would say."""
    setup = scored.table.setup
    text = f"{scored.run_id}: {with_interval(scored.headline)} usable distinct questions of {setup.k} an image"
    others = []
    if ceiling is not None and ceiling is not scored:
        others.append(f"{with_interval(ceiling.headline)} for people")
    if scored.floor is not None and (low := scored.floor["uq.at_k"].value) is not None:
        others.append(f"{low:.2f} for shuffled images")
    return f"{text} ({headline_name(setup)})" + (f", against {' and '.join(others)}" if others else "")


def placed(scored: Scored, ceiling: Scored) -> str | None:
    """Where it lies between shuffled images and people; None without a floor."""
    where = anchored_share(scored, ceiling)
    return None if where is None else f"{scored.run_id}: {where:.0%} of the way from shuffled images to people"


def notes(scored: Sequence[Scored], ceiling: Scored | None) -> list[str]:
    """A sentence for each run, then what could not be computed."""
    lines = [sentence(each, ceiling) for each in scored]
    for each in scored:
        missing: dict[str, list[str]] = {}
        for name, value in each.summary.values.items():
            if value.value is None and value.reason:
                missing.setdefault(value.reason, []).append(name)
        lines += [f"{each.run_id}: {', '.join(names)} not computed: {reason}" for reason, names in missing.items()]
    return lines
