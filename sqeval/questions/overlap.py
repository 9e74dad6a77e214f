"""Group R: likeness to questions that people asked about the same images. Opt-in, and never in the headline.

Several good questions fit an image, and references hold a few of them: BLEU-4 against a question's own gold text
correlates with answerability at -.13. What it is good for is asking whether a model imitates its training questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from sqeval.questions.diversity import bleu_4
from sqeval.questions.table import Row, Table
from sqeval.questions.words import tokens


def add(table: Table) -> None:
    """Write the values of each question whose image has reference questions."""
    from sqeval.scoring.captions import cider

    groups = {place: group for place, group in enumerate(table.by_image()) if group and references_of(table, place)}
    if not groups:
        return
    rows = {f"{place}#{i}": row for place, group in groups.items() for i, row in enumerate(group)}
    references = {key: [" ".join(r) for r in references_of(table, row.image)] for key, row in rows.items()}
    said = {key: " ".join(tokens(row.normal.core)) for key, row in rows.items()}
    ciders = cider(said, references)
    for key, row in rows.items():
        own, wanted = tokens(row.normal.core), references_of(table, row.image)
        row.values |= {
            "rf.bleu_4": bleu_4(own, wanted),
            "rf.rouge_l": max(rouge_l(own, reference) for reference in wanted),
            "rf.cider": ciders[key],
        }


def recall(group: Sequence[Row], references: Sequence[Sequence[str]]) -> float | None:
    """How well the best question about an image meets each reference: Jain's oracle. It grows with the number asked."""
    texts = [tokens(row.normal.core) for row in group]
    return fmean(max(rouge_l(text, reference) for text in texts) for reference in references) if texts else None


def rouge_l(said: Sequence[str], wanted: Sequence[str], beta: float = 1.2) -> float:
    """F of the longest common subsequence, 0..1 (Lin 2004), with the captioning evaluators' beta."""
    common = _common(said, wanted)
    if not common:
        return 0.0
    precision, recalled = common / len(said), common / len(wanted)
    return (1 + beta**2) * precision * recalled / (recalled + beta**2 * precision)


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    row = [0] * (len(b) + 1)
    for word in a:
        before = row
        row = [0]
        for place, other in enumerate(b):
            row.append(before[place] + 1 if word == other else max(before[place + 1], row[place]))
    return row[-1]


def references_of(table: Table, place: int) -> list[tuple[str, ...]]:
    """Tokenized reference questions of an image."""
    return [words for text in table.images[place].context.ref_questions if (words := tokens(text))]
