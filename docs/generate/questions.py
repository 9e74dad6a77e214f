"""The register of question metrics, as `sqeval questions explain` has it."""

from __future__ import annotations

from docs.generate.markdown import document, table
from sqeval.questions.metrics import GROUPS, METRICS, QuestionMetric

INTRODUCTION = """What `sqeval questions score` computes, from the register that `sqeval questions explain` prints. What the
numbers are for, and how far they can be trusted: [questions](../questions.md).

A metric has a tier, the lowest at which it is computed: 0 from the text alone, 1 with captions or object labels, 2 with an
image-text model, 3 with answers. *Must react* names the corruptions of `sqeval questions validate` under which it has to
rise or fall; under all others nothing that anybody relies on may change."""


def page() -> str:
    """Every metric, by group."""
    return document("Question metrics", INTRODUCTION, *(_group(key, title) for key, title in GROUPS.items()))


def _group(key: str, title: str) -> str:
    rows = [_row(metric) for metric in METRICS.values() if metric.group == key]
    head = ["metric", "formula", "range", "better", "tier, of each", "source", "needs", "pitfalls", "must react"]
    return f"## {title}\n\n{table(head, rows)}"


def _row(metric: QuestionMetric) -> list[str]:
    high = "unbounded" if metric.high is None else f"{metric.high:g}"
    low = "unbounded" if metric.low == float("-inf") else f"{metric.low:g}"
    return [
        f"`{metric.id}`",
        metric.formula.replace("*", "\\*"),
        f"{low} to {high}",
        {"up": "higher", "down": "lower", "none": "–"}[metric.direction],
        f"{metric.tier}, {metric.level}",
        metric.citation,
        metric.needs,
        metric.pitfalls,
        ", ".join(f"{'rise' if sign > 0 else 'fall'} under `{name}`" for name, sign in metric.expected.items()),
    ]
