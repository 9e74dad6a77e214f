"""Official caption scores: BLEU, ROUGE-L, CIDEr-D and METEOR, as numbers an image that add up to corpus scores.

Source: coco-caption (Chen et al. 2015, arXiv 1504.00325) as packaged in pycocoevalcap, whose code counts n-grams and
computes ROUGE-L and CIDEr-D; corpus BLEU and METEOR are functions of sums over images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sqeval.errors import UserError
from sqeval.java import Java, find_java
from sqeval.scoring.captions_java import meteor_counts, tokenize
from sqeval.scoring.captions_release import CANDIDATE_WORDS, REFERENCE_WORDS, cleaned
from sqeval.scoring.captions_spice import Spice, spice

Floats = NDArray[np.float64]
Pair = tuple[str, tuple[str, ...]]
"""A tokenized candidate and its tokenized references."""

BLEU_ORDERS = (1, 2, 3, 4)
BLEU_SUMS = (*(f"bleu_correct{n}" for n in BLEU_ORDERS), *(f"bleu_guess{n}" for n in BLEU_ORDERS), "bleu_reflen")
"""n-grams that are in a reference too, n-grams (those of order 1 are the length), length of the closest reference."""
METEOR_SUMS = (
    "meteor_candidate_matched", "meteor_reference_matched", "meteor_candidate_length", "meteor_reference_length",
    "meteor_chunks", "meteor_matches",
)  # fmt: skip
"""Matched words and words of both sides, weighted; chunks; matched words, the mean of both sides."""

WORTH_A_PROCESS = 1000
"""Captions for which a second METEOR pays."""

_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.20, 0.60, 0.75
_STAGES = np.array([1.0, 0.6, 0.8, 0.6])  # exact, stem, synonym, paraphrase


def caption_scores(
    candidates: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    *,
    groups: Mapping[str, str] | None = None,
    with_spice: Spice | None = None,
) -> dict[str, dict[str, float]]:
    """Scores of each raw candidate caption: ``cider`` (0..10), ``rouge_l`` (0..1), `BLEU_SUMS` and `METEOR_SUMS`.

    `references` maps every image of the benchmark to its raw captions, at least one; CIDEr's document frequencies and
    number of images come from all of them, also when only some images have a candidate. Both mappings must be in the
    official order (that of the annotation file).

    The same scores named ``release_...`` (but for ROUGE-L) are those of SQ-LLaVA's own evaluation: of captions that it
    has cleaned, and, where `groups` maps images to parts of the benchmark, with each part's own document frequencies.
    ``cider_own_idf`` differs from ``cider`` in these frequencies alone. ``spice`` (0..1) is computed `with_spice`.

    Raises UserError for a missing Java or one that fails.
    """
    if not candidates:
        return {}
    java = find_java()
    with ThreadPoolExecutor(2) as pool:  # each call starts a process of its own: both cores are used
        official = _tokenized(candidates, references, java, pool)
        release = _tokenized(
            {image: cleaned(caption, CANDIDATE_WORDS) for image, caption in candidates.items()},
            {image: [cleaned(c, REFERENCE_WORDS) for c in captions] for image, captions in references.items()},
            java,
            pool,
        )
        pairs = dict.fromkeys(pair for corpus in (official, release) for pair in corpus.pairs.values())
        counts = [pool.submit(_meteor, part, java) for part in _parts(list(pairs))]  # while Python does the rest
        ciders = {"cider": official.ciders(None), "release_cider": release.ciders(groups)}
        if groups is not None:
            ciders["cider_own_idf"] = official.ciders(groups)
        scores = {pair: token_scores(*pair) for pair in pairs}
        meteors = [row for part in counts for row in part.result()]
    for pair, row in zip(pairs, meteors, strict=True):
        scores[pair] |= row
    if with_spice is not None:  # by itself, and last: it takes every core, and far longer than all the others
        for pair, value in zip(pairs, spice(list(pairs), with_spice), strict=True):
            scores[pair]["spice"] = value
    return {
        image: {
            **scores[pair],
            **{f"release_{name}": v for name, v in scores[release.pairs[image]].items() if name != "rouge_l"},
            **{name: values[image] for name, values in ciders.items()},
        }
        for image, pair in official.pairs.items()
    }


def plain_scores(candidates: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """``cider``, ``rouge_l``, `BLEU_SUMS` and `METEOR_SUMS` of each raw candidate, as coco-caption has them.

    Raises UserError for a missing Java or one that fails.
    """
    java = find_java()
    with ThreadPoolExecutor(2) as pool:
        corpus = _tokenized(candidates, references, java, pool)
        pairs = list(dict.fromkeys(corpus.pairs.values()))
        counts = [pool.submit(_meteor, part, java) for part in _parts(pairs)]
        scores = {pair: token_scores(*pair) for pair in pairs}
        meteors = [row for part in counts for row in part.result()]
    scores = {pair: scores[pair] | row for pair, row in zip(pairs, meteors, strict=True)}
    ciders = corpus.ciders(None)
    return {image: {"cider": ciders[image], **scores[pair]} for image, pair in corpus.pairs.items()}


@dataclass(frozen=True, slots=True)
class _Corpus:
    """Tokenized captions."""

    candidates: dict[str, str]
    references: dict[str, tuple[str, ...]]

    @property
    def pairs(self) -> dict[str, Pair]:
        """Each candidate with its references."""
        return {image: (candidate, self.references[image]) for image, candidate in self.candidates.items()}

    def ciders(self, groups: Mapping[str, str] | None) -> dict[str, float]:
        """CIDEr-D of each candidate with the frequencies of all references, or of those of its group."""
        if groups is None:
            return cider(self.candidates, self.references)
        found: dict[str, float] = {}
        for group in dict.fromkeys(groups[image] for image in self.candidates):
            candidates = {image: text for image, text in self.candidates.items() if groups[image] == group}
            references = {image: texts for image, texts in self.references.items() if groups[image] == group}
            found |= cider(candidates, references)
        return found


def _tokenized(
    candidates: Mapping[str, str], references: Mapping[str, Sequence[str]], java: Java, pool: ThreadPoolExecutor
) -> _Corpus:
    """References and candidates apart, as officially."""
    known = [caption for captions in references.values() for caption in captions]
    tokens = pool.map(lambda captions: tokenize(captions, java), [known, list(candidates.values())])
    some, others = map(iter, tokens)
    by_image = {image: tuple(next(some) for _ in captions) for image, captions in references.items()}
    return _Corpus(dict(zip(candidates, others, strict=True)), by_image)


def _parts(pairs: list[Pair]) -> list[list[Pair]]:
    """Halves, where the second process saves more than it takes to load its paraphrases."""
    half = (len(pairs) + 1) // 2
    return [pairs[:half], pairs[half:]] if half >= WORTH_A_PROCESS else [pairs]


def _meteor(pairs: Sequence[Pair], java: Java) -> list[dict[str, float]]:
    """`METEOR_SUMS` of each pair."""
    sums = meteor_sums(meteor_counts([pair[0] for pair in pairs], [pair[1] for pair in pairs], java))
    return [dict(zip(METEOR_SUMS, row, strict=True)) for row in sums.tolist()]


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
