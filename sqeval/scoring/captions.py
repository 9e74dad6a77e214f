"""Official caption scores: BLEU, ROUGE-L, CIDEr-D and METEOR, as numbers an image that add up to corpus scores.

Source: coco-caption (Chen et al. 2015, arXiv 1504.00325) as packaged in pycocoevalcap, whose code counts n-grams and
computes ROUGE-L and CIDEr-D; corpus BLEU and METEOR are functions of sums over images. SPICE is not computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from sqeval.errors import UserError
from sqeval.java import find_java
from sqeval.scoring.captions_java import meteor_counts, tokenize

Floats = NDArray[np.float64]

BLEU_ORDERS = (1, 2, 3, 4)
BLEU_SUMS = (*(f"bleu_correct{n}" for n in BLEU_ORDERS), *(f"bleu_guess{n}" for n in BLEU_ORDERS), "bleu_reflen")
"""n-grams that are in a reference too, n-grams (those of order 1 are the length), length of the closest reference."""
METEOR_SUMS = (
    "meteor_candidate_matched", "meteor_reference_matched", "meteor_candidate_length", "meteor_reference_length",
    "meteor_chunks", "meteor_matches",
)  # fmt: skip
"""Matched words and words of both sides, weighted; chunks; matched words, the mean of both sides."""

_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.20, 0.60, 0.75
_STAGES = np.array([1.0, 0.6, 0.8, 0.6])  # exact, stem, synonym, paraphrase


def caption_scores(
    candidates: Mapping[str, str], references: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, float]]:
    """Scores of each raw candidate caption: ``cider`` (0..10), ``rouge_l`` (0..1), `BLEU_SUMS` and `METEOR_SUMS`.

    `references` maps every image of the benchmark to its raw captions, at least one; CIDEr's document frequencies and
    number of images come from all of them, also when only some images have a candidate. Both mappings must be in the
    official order (that of the annotation file). Raises UserError for a missing Java or one that fails.
    """
    if not candidates:
        return {}
    java = find_java()
    flat = [caption for captions in references.values() for caption in captions]
    with ThreadPoolExecutor(2) as pool:  # each starts a process of its own: both cores are used
        reference_tokens = pool.submit(tokenize, flat, java)
        candidate_tokens = pool.submit(tokenize, list(candidates.values()), java)
        tokens = iter(reference_tokens.result())
        known = {image: [next(tokens) for _ in captions] for image, captions in references.items()}
        asked = dict(zip(candidates, candidate_tokens.result(), strict=True))
        counts = pool.submit(meteor_counts, list(asked.values()), [known[image] for image in asked], java)
        scores = {image: token_scores(asked[image], known[image]) for image in asked}
        ciders = cider(asked, known)
        meteors = meteor_sums(counts.result())
    for image, row in zip(asked, meteors.tolist(), strict=True):
        scores[image] |= {"cider": ciders[image], **dict(zip(METEOR_SUMS, row, strict=True))}
    return scores


def token_scores(candidate: str, references: Sequence[str]) -> dict[str, float]:
    """``rouge_l`` and `BLEU_SUMS` of one tokenized candidate."""
    from pycocoevalcap.bleu.bleu_scorer import cook_refs, cook_test
    from pycocoevalcap.rouge.rouge import Rouge

    counts = cook_test(candidate, cook_refs(references), eff="closest")
    row = [*counts["correct"], *counts["guess"], counts["reflen"]]
    sums = {name: float(value) for name, value in zip(BLEU_SUMS, row, strict=True)}
    return {"rouge_l": float(Rouge().calc_score([candidate], references)), **sums}


def cider(candidates: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """CIDEr-D, 0..10, of each tokenized candidate; the idf is that of all `references` (tokenized)."""
    from pycocoevalcap.cider.cider import Cider

    if not any(caption.split() for captions in references.values() for caption in captions):
        raise UserError("no reference caption holds a word, so that CIDEr has no document frequencies")
    texts = {image: list(captions) for image, captions in references.items()}
    # Images without a candidate get an empty one: they count in the idf, and their scores are dropped.
    _, values = Cider().compute_score(texts, {image: [candidates.get(image, "")] for image in texts})
    return {image: float(value) for image, value in zip(texts, values, strict=True) if image in candidates}


def bleu(order: int) -> Callable[[Floats], Floats]:
    """Function from sums of `BLEU_SUMS`, (..., 9), to corpus BLEU of n-grams up to `order`, (...)."""

    def score(sums: Floats) -> Floats:
        correct, guess, length = sums[..., :order], sums[..., 4 : 4 + order], sums[..., 4]
        precision = np.prod((correct + 1e-15) / (guess + 1e-9), axis=-1)
        ratio = (length + 1e-15) / (sums[..., 8] + 1e-9)
        penalty = np.exp(np.minimum(1 - 1 / ratio, 0))
        return np.asarray(precision ** (1 / order) * penalty)

    return score


def meteor_sums(counts: Floats) -> Floats:
    """The jar's counts, (n, 23), to `METEOR_SUMS`, (n, 6), whose sums over images give the jar's corpus score.

    The weights are those of METEOR 1.5 for English (Denkowski and Lavie 2014); a candidate that matches its reference
    in one piece adds no chunk.
    """
    content, function = np.array([_DELTA, 1 - _DELTA])
    stages = counts[:, 4:20].reshape(-1, 4, 4)  # matcher, (content of both, function words of both)
    matched = [(content * stages[:, :, side] + function * stages[:, :, 2 + side]) @ _STAGES for side in (0, 1)]
    lengths = [content * (counts[:, side] - counts[:, 2 + side]) + function * counts[:, 2 + side] for side in (0, 1)]
    whole = (counts[:, 21] == counts[:, 0]) & (counts[:, 22] == counts[:, 1]) & (counts[:, 20] == 1)
    chunks = np.where(whole, 0.0, counts[:, 20])
    return np.stack([*matched, *lengths, chunks, (counts[:, 21] + counts[:, 22]) / 2], axis=-1)


def meteor(sums: Floats) -> Floats:
    """METEOR, (...), of sums of `METEOR_SUMS`, (..., 6); 0 where nothing matches."""
    candidate_matched, reference_matched, candidate_length, reference_length, chunks, matches = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = candidate_matched / candidate_length, reference_matched / reference_length
        mean = 1 / ((1 - _ALPHA) / precision + _ALPHA / recall)
        score = mean * (1 - _GAMMA * (chunks / matches) ** _BETA)
    return np.where(matches > 0, score, 0.0)
