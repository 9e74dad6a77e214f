"""Group D: how different are the questions, measured at a fixed size.

Distinct-n, Self-BLEU and the raw Vendi score all move with the number of questions; each measure here takes a fixed
number of n-grams or questions, so that runs of different sizes can be compared.
"""

from __future__ import annotations

import gzip
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqeval.questions.words import content_words, ngrams, tokens

Floats = NDArray[np.float64]

SAME = 0.80
"""Cosine of content words from which two questions about an image ask the same."""
QUESTION_WORDS = frozenset(
    ("how", "many", "much", "where", "who", "whose", "why", "when", "which", "color", "kind", "type")
)
"""Function words that make two questions about one thing different ones."""
SELF_BLEU_SIZE, SELF_BLEU_DRAWS = 50, 200
VENDI_SIZE, VENDI_DRAWS = 50, 20
COMPRESSED_BYTES = 20_000


def classes(texts: Sequence[str]) -> list[int]:
    """Class of each question about one image: the first class whose founder it repeats, else a new one.

    Two questions repeat each other if the cosine of their content words reaches `SAME`: counts on a log scale, without
    document frequencies, so that a class depends on nothing but the questions in it. Equal texts are always the same.
    """
    kernel = _small_kernel([_matter(text) for text in texts])
    founders: list[int] = []
    found: list[int] = []
    for i in range(len(texts)):
        same = next((k for k, founder in enumerate(founders) if _repeats(texts, kernel, i, founder)), None)
        if same is None:
            founders.append(i)
        found.append(len(founders) - 1 if same is None else same)
    return found


def _repeats(texts: Sequence[str], kernel: Floats, i: int, j: int) -> bool:
    return tokens(texts[i]) == tokens(texts[j]) or bool(kernel[i, j] >= SAME)


def _matter(text: str) -> list[str]:
    asked = [token for token in tokens(text) if token in QUESTION_WORDS]
    return asked + [token.removesuffix("'s") for token in content_words(text)]


def duplicates(*by_image: Sequence[str]) -> float:
    """Share of questions that repeat an earlier one about their image word for word, 0..1."""
    asked = sum(map(len, by_image))
    return 1 - sum(len(set(map(tokens, texts))) for texts in by_image) / asked if asked else 0.0


def self_bleu(
    texts: Sequence[str], size: int = SELF_BLEU_SIZE, draws: int = SELF_BLEU_DRAWS, seed: int = 0
) -> float | None:
    """Mean BLEU-4 of one question against `size` - 1 others, over `draws` draws, 0..1; None of fewer than `size`.

    Orders without a match count as 0.1 matches (NLTK's method 1), as in Texygen (Zhu et al. 2018).
    """
    if len(texts) < size:
        return None
    rng = np.random.default_rng(seed)
    grams = [[Counter(ngrams(tokens(text), n)) for n in range(1, 5)] for text in texts]
    lengths = [len(tokens(text)) for text in texts]
    scores = []
    for _ in range(draws):
        first, *others = rng.choice(len(texts), size, replace=False).tolist()
        scores.append(_bleu(grams[first], lengths[first], [grams[i] for i in others], [lengths[i] for i in others]))
    return float(np.mean(scores))


def bleu_4(said: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """BLEU-4 of one question against several, smoothed as `self_bleu`, 0..1."""
    counted = [[Counter(ngrams(words, n)) for n in range(1, 5)] for words in (said, *references)]
    return _bleu(counted[0], len(said), counted[1:], [len(words) for words in references])


def _bleu(hypothesis: list[Counter[Any]], length: int, references: list[list[Counter[Any]]], sizes: list[int]) -> float:
    if not length:
        return 0.0
    total = 0.0
    for n, own in enumerate(hypothesis):
        matched = sum(min(count, max(ref[n][gram] for ref in references)) for gram, count in own.items())
        total += math.log((matched or 0.1) / max(1, own.total())) / 4
    closest = min(sizes, key=lambda size: (abs(size - length), size))
    return math.exp(total + min(0.0, 1 - closest / length))


def vendi(kernel: Floats) -> float:
    """exp of the entropy of the eigenvalues of K/n (Friedman & Dieng 2022): the effective number of items, 1..n."""
    values = np.linalg.eigvalsh(kernel / len(kernel))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def vendi_at(texts: Sequence[str], size: int = VENDI_SIZE, draws: int = VENDI_DRAWS, seed: int = 0) -> float | None:
    """Mean Vendi score of `draws` subsets of `size` questions by the cosine of their words; None of fewer."""
    if len(texts) < size:
        return None
    rng = np.random.default_rng(seed)
    chosen = [rng.choice(len(texts), size, replace=False) for _ in range(draws)]
    vectors = _vectors(texts)
    return float(np.mean([vendi(_cosines(vectors[rows])) for rows in chosen]))


def self_cider(texts: Sequence[str]) -> float | None:
    """Self-CIDEr of one image's questions (Wang & Chan 2019), on 1- to 4-grams: 0 for copies, 1 for none in common."""
    if len(texts) < 2:
        return None
    kernel = _small_kernel([[g for n in range(1, 5) for g in ngrams(tokens(text), n)] for text in texts], idf=True)
    roots = np.sqrt(np.clip(np.linalg.eigvalsh(kernel), 0, None))
    return float(-math.log(roots.max() / roots.sum()) / math.log(len(texts))) if roots.sum() else 0.0


def compression(texts: Sequence[str], seed: int = 0) -> float | None:
    """Bytes of a fixed amount of questions over their bytes when gzipped, 1 or more; None of too little text."""
    order = np.random.default_rng(seed).permutation(len(texts))
    content = "\n".join(texts[i] for i in order).encode()[:COMPRESSED_BYTES]
    if len(content) < COMPRESSED_BYTES:
        return None
    return len(content) / len(gzip.compress(content, compresslevel=9, mtime=0))


def generic(by_image: Sequence[Sequence[str]]) -> float | None:
    """Share of questions that were asked about at least 1 % of the images and at least 3, 0..1."""
    seen = Counter(text for texts in by_image for text in {" ".join(tokens(t)) for t in texts})
    least = max(3, math.ceil(0.01 * len(by_image)))
    asked = [" ".join(tokens(text)) for texts in by_image for text in texts]
    return sum(seen[text] >= least for text in asked) / len(asked) if asked else None


def topic_coverage(texts: Sequence[str], pool: Sequence[str], topics: int = 50, seeds: int = 4) -> float | None:
    """Effective number of topics among `texts` over all topics of the `pool`, 0..1; None of a small pool.

    Topics are k-means clusters of the pool's TF-IDF vectors; the mean of several seeds, because they disagree.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    if len(pool) < 4 * topics or not texts:
        return None
    vectorizer = TfidfVectorizer(analyzer=tokens, sublinear_tf=True).fit(pool)
    if len(vectorizer.vocabulary_) <= topics:
        return None
    reducer = TruncatedSVD(topics, random_state=0).fit(vectorizer.transform(pool))
    points, own = (normalize(reducer.transform(vectorizer.transform(each))) for each in (pool, texts))
    shares = []
    for seed in range(seeds):
        labels = KMeans(topics, n_init=1, random_state=seed).fit(points).predict(own)
        p = np.bincount(labels, minlength=topics) / len(labels)
        p = p[p > 0]
        shares.append(math.exp(-(p * np.log(p)).sum()) / topics)
    return float(np.mean(shares))


def _small_kernel(bags: Sequence[Sequence[Any]], *, idf: bool = False) -> Floats:
    """Cosines of a few bags of terms, counts on a log scale, rarer terms heavier if `idf`: what scikit-learn's
    vectorizer gives, without what it costs to set up once an image."""
    counts = [Counter(bag) for bag in bags]
    seen = Counter(term for count in counts for term in count)
    place = {term: i for i, term in enumerate(seen)}
    vectors = np.zeros((len(bags), max(1, len(place))))
    for row, count in zip(vectors, counts, strict=True):
        for term, times in count.items():
            rarity = math.log((1 + len(bags)) / (1 + seen[term])) + 1 if idf else 1.0
            row[place[term]] = (1 + math.log(times)) * rarity
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return _cosines(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0))


def _vectors(texts: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        return TfidfVectorizer(analyzer=tokens, sublinear_tf=True).fit_transform(texts)
    except ValueError:  # no word at all
        return np.zeros((len(texts), 1))


def _cosines(vectors: Any) -> Floats:
    product = vectors @ vectors.T
    kernel: Floats = np.asarray(product.toarray() if hasattr(product, "toarray") else product, dtype=np.float64)
    np.fill_diagonal(kernel, 1.0)
    return kernel
