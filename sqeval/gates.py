"""Hard gates: what must hold before scores are worth comparing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqeval.records import Record

RISING = ("unparsed", "truncated")
"""Counts that may be above 0, but not rise."""


def failed_gates(
    base: Mapping[str, int], candidate: Mapping[str, int], *, max_errors: int = 0, max_rise: float = 0.05
) -> tuple[str, ...]:
    """The gates that two runs of a task fail, each in one sentence; none if all hold.

    `base` and `candidate` are counts of metrics.json over the samples compared. More than `max_errors` errored samples
    on either side fail, and so does a share of unparsed or of truncated answers that is higher than the baseline's by
    more than `max_rise` (a fraction): such scores say how a run went wrong, not how good a model is.
    """
    found = []
    for side, counts in (("the baseline", base), ("the run", candidate)):
        if counts.get("errored", 0) > max_errors:
            found.append(f"{counts['errored']:,} of {counts['n']:,} samples of {side} errored (at most {max_errors:,})")
    for name in RISING:
        before, after = (counts.get(name, 0) / max(1, counts["n"]) for counts in (base, candidate))
        if after - before > max_rise + 1e-12:
            limit = f"at most {100 * max_rise:g} points more"
            found.append(f"{name} answers rose from {100 * before:.1f} to {100 * after:.1f} % ({limit})")
    return tuple(found)


def counted(records: Sequence[Record]) -> dict[str, int]:
    """Counts as in metrics.json, of a part of a run."""
    return {
        "n": len(records),
        "errored": sum(record.errored for record in records),
        **{name: sum(getattr(record, name) for record in records) for name in RISING},
    }
