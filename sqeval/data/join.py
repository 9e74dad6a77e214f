"""Joining a file of predictions to the samples: by id, one prediction each, and nothing passed over in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqeval.data.entry import Entry
from sqeval.data.text import shortened, show
from sqeval.errors import DataError

T = TypeVar("T")
_SHOWN = 5
_MISSING = "--allow-missing counts them as wrong, --allow-part leaves them out"


@dataclass(frozen=True, slots=True)
class Allow:
    """What may be otherwise than one prediction for each sample."""

    missing: bool = False
    """Samples without a prediction are recorded as missing, and count as wrong."""
    part: bool = False
    """Samples without a prediction are left out, as coco-caption's evaluation leaves out images without a caption."""
    extra: bool = False
    """Predictions for ids that are no sample's, as in a file about a larger split, are left out."""
    duplicates: bool = False
    """Of several predictions for one sample the last one counts, as in most official evaluators."""


STRICT = Allow()


def joined(
    path: Path, keys: Sequence[str], values: Sequence[T], ids: Collection[str], allow: Allow = STRICT
) -> dict[str, T]:
    """Value by id, for those of `keys` that are among `ids`.

    Raises DataError about what `allow` does not: it says how many ids, which, and what can be done.
    """
    found = dict(zip(keys, values, strict=True))
    given, wanted = found.keys(), set(ids)
    if given == wanted:
        return found
    if not given & wanted:
        raise DataError(_strangers(given, wanted), file=path)
    faults = (
        (wanted - given, allow.missing or allow.part, "samples without a prediction", _MISSING),
        (given - wanted, allow.extra, "unknown ids", "--allow-extra leaves them out"),
    )
    found_faults = [(len(those), what, those, way) for those, allowed, what, way in faults if those and not allowed]
    if found_faults:
        problems = [f"{count} {what}: {some(those)} ({way})" for count, what, those, way in found_faults]
        raise DataError(f"expected one prediction for each of {len(wanted)} samples; {'; '.join(problems)}", file=path)
    return found if given <= wanted else {key: value for key, value in found.items() if key in wanted}


def require_single(keys: Sequence[str], entries: Sequence[Entry], field: str, allow: Allow = STRICT) -> None:
    """Raise DataError about the first record whose id was given before, unless that is allowed."""
    if allow.duplicates or len(set(keys)) == len(keys):
        return
    twice = {key for key, count in Counter(keys).items() if count > 1}
    seen: set[str] = set()
    for key, entry in zip(keys, entries, strict=True):
        if key in seen:
            more = "" if len(twice) == 1 else f", as do {len(twice) - 1} others: {some(twice - {key})}"
            way = "--allow-duplicates takes the last of each, as most official evaluators do"
            raise entry.error(f"id {show(key)} occurs twice{more} ({way})", field)
        seen.add(key)


def some(ids: Collection[str]) -> str:
    """The first few, numbers in their order."""
    first = sorted(ids, key=lambda key: (len(key), key))[:_SHOWN]
    return ", ".join(map(shortened, first)) + (", ..." if len(ids) > _SHOWN else "")


def _strangers(given: Collection[str], wanted: Collection[str]) -> str:
    return (
        f"expected one prediction for each of {len(wanted)} samples; {len(wanted)} samples without a prediction: "
        f"{some(wanted)}; {len(given)} unknown ids: {some(given)}; none is of a sample: "
        "is this file about the same task, and about the split that --data holds?"
    )
