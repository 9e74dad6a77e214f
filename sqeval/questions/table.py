"""Every question of one condition with all that is known about it: values, gates, and why it failed them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

import numpy as np

from sqeval.questions import answering, diversity, relevance, taxonomy, wellformed
from sqeval.questions.answers import Answer
from sqeval.questions.files import Asked, ImageQuestions
from sqeval.questions.fluency import Fluency, reference_questions
from sqeval.questions.normalise import Act, Normal, normalise
from sqeval.questions.premises import Lexicon, false_premises
from sqeval.questions.usable import GATES_OF_TIER
from sqeval.questions.words import content_words, tokens

WELL_FORMED = GATES_OF_TIER[0]
"""Gates that know nothing of the image."""


@dataclass(frozen=True)
class Setup:
    """How questions are judged."""

    tier: int = 1
    k: int = 5
    fluency: Fluency = field(default_factory=lambda: Fluency(reference_questions()))
    suffixes: tuple[str, ...] = ()
    """Format prompts besides the known ones, in lower case."""
    training: frozenset[str] | None = None
    """Normalised texts of training questions, for novelty."""
    scorer: relevance.Scorer = field(default_factory=relevance.Captions)
    """What tells how well a question fits an image."""
    references: bool = False
    """Whether likeness to reference questions is measured."""
    answers: Mapping[str, Sequence[Answer]] | None = None
    """By qid; tier 3."""

    @property
    def gates(self) -> tuple[str, ...]:
        return GATES_OF_TIER[self.tier]


@dataclass(slots=True)
class Row:
    """One question. A value of None could not be computed."""

    asked: Asked
    image: int
    """Index of its image in the condition."""
    normal: Normal
    kind: str
    level: str
    prefix: str
    values: dict[str, float | None] = field(default_factory=dict)
    gates: dict[str, bool | None] = field(default_factory=dict)
    """None: could not be decided, and lets the question pass."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a gate failed, by gate."""
    own_class: int = 0
    """Among the questions about its image."""

    def usable(self, gates: Sequence[str]) -> bool:
        """Whether no gate failed."""
        return all(self.gates.get(gate) is not False for gate in gates)


@dataclass(slots=True)
class Table:
    """All questions of one condition."""

    images: Sequence[ImageQuestions]
    rows: list[Row]
    setup: Setup
    threshold: float | None = None
    """Relevance from which a question counts as about its image."""
    notes: dict[str, str] = field(default_factory=dict)
    """Why a metric could not be computed, by metric or group."""
    similarities: relevance.Floats | None = None
    """(rows, columns) of questions and of the images in `columns`."""
    columns: dict[int, int] = field(default_factory=dict)
    """Column by image index."""
    lexicon: Lexicon = field(init=False)
    """Names of the objects in its images."""

    def __post_init__(self) -> None:
        self.lexicon = Lexicon(label for image in self.images for label in image.context.objects or ())

    def by_image(self) -> list[list[Row]]:
        """The questions about each image, in the order in which they were asked."""
        found: list[list[Row]] = [[] for _ in self.images]
        for row in self.rows:
            found[row.image].append(row)
        return found


def build(images: Sequence[ImageQuestions], setup: Setup, *, threshold: float | None = None) -> Table:
    """Judge all questions of one condition by what is known about its images.

    threshold: of relevance; None: calibrated on shuffled images of this condition.
    """
    rows = [_row(asked, place, setup) for place, image in enumerate(images) for asked in image.questions]
    table = Table(images, rows, setup)
    for row in rows:
        _wellformed(row, setup)
    _preface(table)
    if setup.tier >= 1:
        _relevant(table, threshold)
        _premises(table)
    if setup.tier >= 3:
        _answers(table)
    if setup.references:
        from sqeval.questions import overlap

        overlap.add(table)
    for group in table.by_image():
        for row, own in zip(group, diversity.classes([row.normal.bare for row in group]), strict=True):
            row.own_class = own
    return table


def _row(asked: Asked, image: int, setup: Setup) -> Row:
    normal = normalise(asked.text, setup.suffixes)
    kind, level = taxonomy.kind_of(normal)
    return Row(asked, image, normal, kind, level, taxonomy.vqa_prefix(normal.bare))


def _wellformed(row: Row, setup: Setup) -> None:
    problems = wellformed.problems(row.normal, row.asked.finish_reason)
    asks = row.normal.act in (Act.INTERROGATIVE, Act.IMPERATIVE, Act.CHOICE)
    judged = row.normal.act in (Act.INTERROGATIVE, Act.CHOICE)
    slor = setup.fluency.slor(row.normal.bare) if judged else None
    _gate(row, "valid", not problems, problems[0] if problems else "")
    _gate(row, "asks", asks, row.normal.act)
    _gate(row, "fluent", None if slor is None else slor >= setup.fluency.floor, "below what people write")
    _gate(row, "complete", wellformed.complete(row.normal), "no content word, or cut off")
    row.values |= {"wf.slor": slor, "wf.rep": wellformed.repetition(row.normal)}
    row.values["wf.len"] = float(len(tokens(row.normal.core)))
    row.values |= {f"wf.{gate}": _number(row.gates[gate]) for gate in ("valid", "asks", "fluent", "complete")}


def _preface(table: Table) -> None:
    for row in table.rows:
        preface = table.images[row.image].preface
        if preface is not None:
            own, said = content_words(row.normal.core), set(content_words(preface[1]))
            row.values["gr.preface_overlap"] = fmean(word in said for word in own) if own else None


def _relevant(table: Table, threshold: float | None) -> None:
    scorer = table.setup.scorer
    known = [i for i, image in enumerate(table.images) if scorer.knows(image)]
    if len(known) < relevance.LEAST_IMAGES:
        reason = f"{len(known)} images with {scorer.needs}; {relevance.LEAST_IMAGES} are needed"
        table.notes |= dict.fromkeys(("gr.rauc", "gr.relevant", "gr.margin", "gr.nonvisual"), reason)
        return
    table.columns = {image: column for column, image in enumerate(known)}
    columns = [table.columns.get(row.image, -1) for row in table.rows]
    pictures = [table.images[i] for i in known]
    table.similarities = scorer.similarities([row.normal.core for row in table.rows], pictures, columns)
    if threshold is None:
        told = [i for i, row in enumerate(table.rows) if row.image in table.columns]
        own = [table.columns[table.rows[i].image] for i in told]
        shuffles = (relevance.shuffled_owners(own, len(known), seed) for seed in relevance.CALIBRATION_SHUFFLES)
        floor = [relevance.relevance(table.similarities[told], shuffled).auc for shuffled in shuffles]
        threshold = relevance.threshold(np.concatenate(floor))
    table.threshold = threshold
    _fit(table)


def _fit(table: Table) -> None:
    """Relevance of each question to the image that it belongs to now."""
    if table.similarities is None or table.threshold is None:
        return
    told = [i for i, row in enumerate(table.rows) if row.image in table.columns]
    rows = [table.rows[i] for i in told]
    found = relevance.relevance(table.similarities[told], [table.columns[row.image] for row in rows])
    for row, auc, margin in zip(rows, found.auc.tolist(), found.margin.tolist(), strict=True):
        if math.isnan(auc):  # the image was not looked at
            continue
        row.values |= {"gr.rauc": auc, "gr.margin": margin, "gr.nonvisual": float(abs(auc - 0.5) < relevance.UNDECIDED)}
        _gate(row, "relevant", auc >= table.threshold, "fits other images as well")
        row.values["gr.relevant"] = _number(row.gates["relevant"])


def shuffled(table: Table, seed: int) -> Table:
    """The same questions about other images, judged by the same thresholds: what is left is the floor.

    Answers were given about the right images and say nothing here, so that their gates are open.
    """
    owners = relevance.shuffled_owners(range(len(table.images)), len(table.images), seed)
    rows = [replace(row, image=owners[row.image], values={}, gates={}, reasons={}) for row in table.rows]
    for row, before in zip(rows, table.rows, strict=True):
        kept = [gate for gate in before.gates if gate in WELL_FORMED]
        row.values = {name: value for name, value in before.values.items() if name.startswith("wf.")}
        row.gates = {gate: before.gates[gate] for gate in kept}
        row.reasons = {gate: before.reasons[gate] for gate in kept if gate in before.reasons}
    moved = replace(table, rows=rows)
    moved.lexicon = table.lexicon
    _fit(moved)
    _premises(moved)
    return moved


def _premises(table: Table) -> None:
    lexicon = table.lexicon
    if all(image.context.objects is None for image in table.images):
        table.notes["gr.premise_fpr"] = "no object labels"
    for row in table.rows:
        wrong = false_premises(row.normal.core, table.images[row.image].context, lexicon)
        if wrong is not None:
            taken = sum(mention.presupposed for mention in lexicon.mentions(row.normal.core))
            row.values["gr.premise_fpr"] = len(wrong) / taken
            _gate(row, "premises_hold", not wrong, f"no {wrong[0].word}" if wrong else "")


def _answers(table: Table) -> None:
    answers = table.setup.answers or {}
    for row in table.rows:
        found = answering.answerability(answers.get(row.asked.qid, ()), row.asked.answer)
        row.values |= {
            "an.answerable": found.answerable, "an.consistent": found.consistent, "an.visual": found.visual,
            "an.gig": found.gain, "an.roundtrip": found.roundtrip, "an.kda": found.knowledge,
            "an.difficulty": found.difficulty,
        }  # fmt: skip
        if found.answerable is not None:
            _gate(row, "answerable", found.answerable >= answering.LEAST_ANSWERABLE, "the panel cannot say")
        if found.visual is not None:
            _gate(row, "needs_image", found.visual > 0, "the answers are the same without the image")


def _gate(row: Row, gate: str, passed: bool | None, reason: str) -> None:
    row.gates[gate] = passed
    if passed is False:
        row.reasons[gate] = reason


def _number(passed: bool | None) -> float | None:
    return None if passed is None else float(passed)
