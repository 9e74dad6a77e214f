"""Does every metric react to what it claims to measure, and to nothing else? Checked on the user's own questions.

Each corruption is applied at rising doses. A metric passes where the register names a sign for it: the change at the
full dose has that sign, is at least three standard errors, and grows with the dose. Under an invariance nothing may
move by more than two hundredths of the metric's range, or of its value where it has none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqeval.questions.corruptions import CORRUPTIONS, INVARIANCES, Corruption
from sqeval.questions.files import ImageQuestions
from sqeval.questions.metrics import METRICS, QuestionMetric
from sqeval.questions.summary import Value, summarise
from sqeval.questions.table import Setup, build

DOSES = (0.25, 0.5, 0.75, 1.0)
LEAST_Z = 3.0
LEAST_RHO = 0.9 - 1e-9  # one swap among five values gives 0.9 but for rounding
TOLERANCE = 0.02
REORDERED = ("dv.self_bleu", "dv.vendi", "dv.compression")
"""Measures of seeded draws: another order, or half the images, are another draw."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one metric did under one corruption or invariance."""

    corruption: str
    metric: str
    clean: float
    value: float
    z: float | None
    """Change over its standard error; None if the metric has no interval."""
    expected: int
    """Sign that the register names; 0: nothing may change (invariances), or nothing is claimed."""
    dose_rho: float | None
    """Rank correlation of the value with the dose."""
    passed: bool | None
    """None: nothing is claimed."""

    @property
    def change(self) -> float:
        return self.value - self.clean

    def to_json(self) -> dict[str, Any]:
        names = ("corruption", "metric", "clean", "value", "change", "z", "expected", "dose_rho", "passed")
        return {name: getattr(self, name) for name in names}


def validate(images: Sequence[ImageQuestions], setup: Setup, seed: int = 0) -> Iterator[list[Check]]:
    """The checks of each corruption, then of each invariance, as they are done."""
    table = build(images, setup)
    clean = summarise(table).values
    known = [metric for metric, value in clean.items() if value.value is not None]
    for name, corruption in CORRUPTIONS.items():
        doses = [_values(corruption, images, setup, table.threshold, dose, seed) for dose in DOSES]
        found = [metric for metric in known if doses[-1][metric].value is not None]
        yield [_corrupted(name, metric, clean[metric], [values[metric] for values in doses]) for metric in found]
    for name, corruption in INVARIANCES.items():
        values = _values(corruption, images, setup, table.threshold, 1.0, seed)
        found = [metric for metric in known if _claims(name, metric) and values[metric].value is not None]
        yield [_unchanged(name, metric, clean[metric], values[metric]) for metric in found]


def steps() -> int:
    """How many lists of checks `validate` gives."""
    return len(CORRUPTIONS) + len(INVARIANCES)


def _claims(invariance: str, metric: str) -> bool:
    return metric != "wf.len" and not (invariance in ("reorder_images", "subsample_half") and metric in REORDERED)


def _values(
    corruption: Corruption,
    images: Sequence[ImageQuestions],
    setup: Setup,
    threshold: float | None,
    dose: float,
    seed: int,
) -> dict[str, Value]:
    return summarise(build(corruption(images, dose, seed), setup, threshold=threshold)).values


def _corrupted(name: str, metric: str, clean: Value, doses: Sequence[Value]) -> Check:
    expected = METRICS[metric].expected.get(name, 0)
    values = [clean.value, *(value.value for value in doses)]
    known = [value for value in values if value is not None]
    before, after = known[0], known[-1]
    z = _z(clean, doses[-1])
    rho = _spearman(known)
    passed = None
    if expected:
        grows = rho is not None and rho * expected >= LEAST_RHO
        large = (after - before) * expected > 0 if z is None else z * expected >= LEAST_Z
        passed = bool(large and grows)
    return Check(name, metric, before, after, z, expected, rho, passed)


def _unchanged(name: str, metric: str, clean: Value, after: Value) -> Check:
    assert clean.value is not None
    assert after.value is not None
    allowed = TOLERANCE * _range(METRICS[metric], clean.value)
    change = after.value - clean.value
    if name == "subsample_half":  # half the images are another sample: what the intervals allow is no change
        z = _z(clean, after)
        passed = abs(change) <= allowed or z is None or abs(z) < LEAST_Z
    else:
        z, passed = None, abs(change) <= allowed
    return Check(name, metric, clean.value, after.value, z, 0, None, passed)


def _range(metric: QuestionMetric, value: float) -> float:
    return metric.high - metric.low if metric.high is not None and math.isfinite(metric.low) else max(abs(value), 1.0)


def _z(before: Value, after: Value) -> float | None:
    """Change over the standard error of an unpaired difference; None without intervals, or of nothing."""
    if before.value is None or after.value is None:
        return None
    widths = [value.high - value.low for value in (before, after) if value.low is not None and value.high is not None]
    stderr = math.hypot(*widths) / (2 * 1.96)
    if len(widths) < 2:
        return None
    change = after.value - before.value
    return change / stderr if stderr > 1e-12 else math.copysign(math.inf, change) if abs(change) > 1e-12 else 0.0


def _spearman(values: Sequence[float]) -> float | None:
    """Rank correlation of values with their order; None if all are equal."""
    from scipy.stats import spearmanr

    if len(set(values)) < 2:
        return None
    return float(spearmanr(range(len(values)), values).statistic)
