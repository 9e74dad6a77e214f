"""The register of question metrics, as `sqeval questions explain` has it."""

from __future__ import annotations

from docs.generate.markdown import code, document
from sqeval.questions.metrics import GROUPS, METRICS, QuestionMetric

INTRODUCTION = """\
What `sqeval questions score` computes, from the register that `sqeval questions explain` prints. What the numbers are
for, and how far they can be trusted: [questions](../questions.md).

A metric has a tier, the lowest at which it is computed: 0 from the text alone, 1 with captions or object labels, 2 with
an image-text model, 3 with answers. What it *must* do is under a corruption of `sqeval questions validate`; under all
others nothing that anybody relies on may change."""
OPEN = (None, float("-inf"))
REACTIONS = {"fall": -1, "rise": 1}


def page() -> str:
    """Every metric, by group."""
    return document("Question metrics", INTRODUCTION, *(_group(key, title) for key, title in GROUPS.items()))


def _group(key: str, title: str) -> str:
    return "\n\n".join([f"## {title}", *(_entry(metric) for metric in METRICS.values() if metric.group == key)])


def _entry(metric: QuestionMetric) -> str:
    low, high = ("unbounded" if end in OPEN else code(f"{end:g}") for end in (metric.low, metric.high))
    better = {"up": "higher is better", "down": "lower is better", "none": "neither end is better"}[metric.direction]
    signs = set(metric.expected.values())
    must = [_reaction(metric, verb, sign) for verb, sign in REACTIONS.items() if sign in signs]
    facts = [
        f"- {low} to {high}, {better}; of each {metric.level}, from tier {metric.tier}",
        f"- source: {metric.citation}; needs: {metric.needs}",
        f"- must {' and '.join(must)}" if must else "",
        f"- pitfalls: {metric.pitfalls}" if metric.pitfalls else "",
    ]
    return "\n".join([f"### {metric.id}", "", _sentence(metric.formula), "", *filter(None, facts)])


def _reaction(metric: QuestionMetric, verb: str, sign: int) -> str:
    return f"{verb} under {', '.join(code(name) for name, expected in metric.expected.items() if expected == sign)}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].replace("*", "\\*") + "."
