"""The numbers of one condition, each with its interval over images, or with the reason why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sqeval.questions import diversity, overlap, rarefaction
from sqeval.questions.metrics import METRICS
from sqeval.questions.table import Row, Table
from sqeval.questions.usable import Step, funnel, patient_utility, usable_at
from sqeval.questions.words import content_words, tokens
from sqeval.stats import estimate
from sqeval.stats.distributions import t_quantile
from sqeval.stats.metric import mean

WELL = ("valid", "asks", "fluent", "complete")
"""Diversity is measured on questions that pass these: word salad is diverse."""
Statistic = Callable[[Sequence[str]], float | None]

LEAST_PARTS = 3
GROUPS = 20
"""Of images, for the jackknife of corpus metrics."""


@dataclass(frozen=True, slots=True)
class Value:
    """One metric of one condition."""

    value: float | None
    low: float | None = None
    high: float | None = None
    used: int = 0
    """Questions (or images) that it is about."""
    total: int = 0
    reason: str | None = None
    """Why there is no value."""

    def to_json(self) -> dict[str, Any]:
        """null where there is nothing."""
        shown: dict[str, Any] = {"value": self.value, "ci95": None if self.low is None else [self.low, self.high]}
        return {**shown, "n_used": self.used, "n_total": self.total} | ({"reason": self.reason} if self.reason else {})


@dataclass(frozen=True, slots=True)
class Summary:
    """All of one condition."""

    values: dict[str, Value]
    funnel: list[Step]
    gated_share: float
    """Share of questions that diversity was measured on."""


def summarise(table: Table, pool: Sequence[str] = ()) -> Summary:
    """Every registered metric of the table's tier; `pool` holds the questions of all compared runs, for topics, which
    without it are left out."""
    values = {name: _per_question(table, name) for name, metric in METRICS.items() if metric.level == "question"}
    values |= _per_image(table)
    gated = [[row for row in group if row.usable(WELL)] for group in table.by_image()]
    values |= _corpus(table, gated, pool)
    gates = [row.gates for row in table.rows]
    steps = funnel(table.setup.gates, gates, [row.reasons for row in table.rows])
    share = sum(map(len, gated)) / len(table.rows) if table.rows else 0.0
    return Summary({name: values[name] for name in METRICS if METRICS[name].tier <= table.setup.tier}, steps, share)


def values_of(table: Table, names: Sequence[str]) -> dict[str, Value]:
    """Some of the metrics of questions and images, without what all the rest costs."""
    images = _per_image(table)
    return {name: images[name] if name in images else _per_question(table, name) for name in names}


def _per_question(table: Table, name: str) -> Value:
    """The mean over questions, clustered by image; of lengths the median."""
    if name == "uq.usable":
        known = [(row, float(row.usable(table.setup.gates))) for row in table.rows]
    else:
        known = [(row, value) for row in table.rows if (value := row.values.get(name)) is not None]
    if name == "wf.len" and known:
        return Value(float(np.median([value for _, value in known])), used=len(known), total=len(table.rows))
    return _mean(table, name, known)


def _mean(table: Table, name: str, known: Sequence[tuple[Row, float]]) -> Value:
    if not known:
        return Value(None, total=len(table.rows), reason=table.notes.get(name, f"needs {METRICS[name].needs}"))
    ids = [row.asked.qid for row, _ in known]
    images = [table.images[row.image].image_id for row, _ in known]
    found = estimate(mean(name, ids, images, [value for _, value in known]))
    return Value(found.value, found.low, found.high, len(known), len(table.rows))


def _per_image(table: Table) -> dict[str, Value]:
    groups = table.by_image()
    gates, k = table.setup.gates, table.setup.k
    fine = [[row.usable(gates) for row in group] for group in groups]
    kinds = [[row.own_class for row in group] for group in groups]
    per_image: dict[str, list[float | None]] = {
        "uq.at_k": [usable_at(own, ok, k) for own, ok in zip(kinds, fine, strict=True)],
        "uq.patient": [patient_utility(own, ok) if own else None for own, ok in zip(kinds, fine, strict=True)],
        "dv.distinct_k": [
            None if len(own) < k else rarefaction.expected_kinds(_counts(own), k) for own in kinds
        ],
        "dv.self_cider": [diversity.self_cider([row.normal.bare for row in group]) for group in groups],
        "rf.recall": _recalls(table, groups),
    }  # fmt: skip
    return {name: _over_images(table, name, values) for name, values in per_image.items()}


def _recalls(table: Table, groups: Sequence[Sequence[Row]]) -> list[float | None]:
    """How well each image's reference questions are met, where that is asked for."""
    wanted = [overlap.references_of(table, place) if table.setup.references else [] for place in range(len(groups))]
    return [overlap.recall(group, each) if each else None for group, each in zip(groups, wanted, strict=True)]


def _over_images(table: Table, name: str, values: Sequence[float | None]) -> Value:
    known = [(image.image_id, v) for image, v in zip(table.images, values, strict=True) if v is not None]
    if not known:
        usual = f"no image with {table.setup.k} questions"
        reason = f"needs {METRICS[name].needs}" if METRICS[name].needs != "questions" else usual
        return Value(None, total=len(table.images), reason=reason)
    ids = [image for image, _ in known]
    found = estimate(mean(name, ids, ids, [value for _, value in known]))
    return Value(found.value, found.low, found.high, len(known), len(values))


def _counts(classes: Sequence[int]) -> list[int]:
    return list(Counter(classes).values())


def _corpus(table: Table, gated: list[list[Row]], pool: Sequence[str]) -> dict[str, Value]:
    """Diversity of the well-formed questions; those that are cheap to compute again have a jackknife interval."""
    texts = [[row.normal.bare for row in group] for group in gated]
    flat = [text for group in texts for text in group]
    total = len(table.rows)

    def types(groups: Sequence[Sequence[Row]]) -> float | None:
        return rarefaction.effective_number(row.kind for group in groups for row in group)

    def prefixes(groups: Sequence[Sequence[Row]]) -> float | None:
        return rarefaction.effective_number(row.prefix for group in groups for row in group)

    def openings(groups: Sequence[Sequence[Row]]) -> float | None:
        return rarefaction.effective_number(tokens(row.normal.bare)[:3] for group in groups for row in group)

    def rarefied(n: int, m: int) -> Callable[[Sequence[Sequence[Row]]], float | None]:
        return lambda groups: rarefaction.rarefied_distinct((r.normal.bare for g in groups for r in g), n, m)

    found = {
        "dv.dup": _jackknifed(gated, _repeated, total),
        "dv.rd_1": _jackknifed(gated, rarefied(1, 250), total, "fewer than 250 tokens"),
        "dv.rd_2": _jackknifed(gated, rarefied(2, 200), total, "fewer than 200 2-grams"),
        "dv.type_neff": _jackknifed(gated, types, total),
        "dv.prefix_neff": _jackknifed(gated, prefixes, total),
        "dv.open_neff": _jackknifed(gated, openings, total),
        "dv.generic": _jackknifed(gated, _generic, total),
    }
    found |= {
        "dv.self_bleu": _in_parts(texts, diversity.self_bleu, total, diversity.SELF_BLEU_SIZE),
        "dv.vendi": _in_parts(texts, diversity.vendi_at, total, diversity.VENDI_SIZE),
        "dv.compression": _once(diversity.compression(flat), len(flat), total, "less than 20 kB of questions"),
        "dv.topics": _once(
            diversity.topic_coverage(flat, pool), len(flat), total, "a pool of fewer than 200 questions of many words"
        ),
    }
    return found | {"dv.novel": _novel(table, flat), "dv.object_coverage": _object_coverage(table)}


def _repeated(groups: Sequence[Sequence[Row]]) -> float | None:
    return diversity.duplicates(*([row.normal.bare for row in group] for group in groups)) if any(groups) else None


def _generic(groups: Sequence[Sequence[Row]]) -> float | None:
    return diversity.generic([[row.normal.core for row in group] for group in groups])


def _jackknifed(
    groups: Sequence[Sequence[Row]],
    statistic: Callable[[Sequence[Sequence[Row]]], float | None],
    total: int,
    reason: str = "no well-formed question",
) -> Value:
    """The statistic with a delete-a-group jackknife interval: images dealt into `GROUPS` groups, t with G - 1."""
    value = statistic(groups)
    used = sum(map(len, groups))
    if value is None:
        return Value(None, used=used, total=total, reason=reason)
    parts = min(GROUPS, len(groups))
    left_out = [statistic([g for i, g in enumerate(groups) if i % parts != part]) for part in range(parts)]
    known = [each for each in left_out if each is not None]
    if parts < 2 or len(known) < parts:
        return Value(value, used=used, total=total)
    variance = (parts - 1) / parts * float(((np.array(known) - np.mean(known)) ** 2).sum())
    half = t_quantile(0.975, parts - 1) * variance**0.5
    return Value(value, value - half, value + half, used, total)


def _once(value: float | None, used: int, total: int, reason: str) -> Value:
    return Value(value, used=used, total=total, reason=reason if value is None else None)


def _in_parts(texts: Sequence[Sequence[str]], statistic: Statistic, total: int, size: int) -> Value:
    """A statistic of fixed size, with an interval from its values in disjoint parts of the images, which are as many as
    there are enough questions for, at most 10: of fixed size, it estimates the same in each."""
    flat = [text for group in texts for text in group]
    value = statistic(flat)
    if value is None:
        return Value(None, used=len(flat), total=total, reason=f"fewer than {size} questions")
    parts = min(10, int(len(flat) / (1.2 * size)))
    each = [
        statistic([t for i, group in enumerate(texts) if i % parts == part for t in group]) for part in range(parts)
    ]
    known = np.array([found for found in each if found is not None])
    if len(known) < LEAST_PARTS:
        return Value(value, used=len(flat), total=total)
    half = t_quantile(0.975, len(known) - 1) * float(known.std(ddof=1)) / len(known) ** 0.5
    return Value(value, value - half, value + half, len(flat), total)


def _novel(table: Table, flat: Sequence[str]) -> Value:
    training = table.setup.training
    if training is None or not flat:
        return Value(None, total=len(table.rows), reason=f"needs {METRICS['dv.novel'].needs}")
    new = [" ".join(tokens(text)) not in training for text in flat]
    return Value(sum(new) / len(new), used=len(new), total=len(table.rows))


def _object_coverage(table: Table) -> Value:
    lexicon = table.lexicon
    values: list[float | None] = []
    for image, group in zip(table.images, table.by_image(), strict=True):
        wanted = {lexicon.category(label) for label in image.context.objects or ()}
        named = {mention.category for row in group for mention in lexicon.mentions(row.normal.core)}
        values.append(len(wanted & named) / len(wanted) if wanted else None)
    if not any(value is not None for value in values):
        return Value(None, total=len(values), reason="needs object labels")
    return _over_images(table, "dv.object_coverage", values)


def pool_of(tables: Sequence[Table]) -> list[str]:
    """The well-formed questions of all conditions: what topics are found in."""
    return [
        row.normal.bare for table in tables for row in table.rows if row.usable(WELL) and content_words(row.normal.bare)
    ]
