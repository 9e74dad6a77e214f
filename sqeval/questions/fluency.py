"""Fluency by a small language model: an interpolated Kneser-Ney trigram, fitted on a few hundred human questions.

SLOR (Kann et al. 2018, arXiv 1809.08731) divides out how rare the words are: it tells word order from word salad, and
says nothing about whether a question can be answered.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import resources

from sqeval.questions.words import tokens

DISCOUNT = 0.75
ADDED = 0.1
"""To each unigram count of SLOR's denominator."""
FLOOR_QUANTILE = 0.05
"""Of held-out human questions: what less than one in twenty people would write is not fluent."""
FOLDS = 5
START, END, UNKNOWN = "<s>", "</s>", "<unk>"


def reference_questions() -> list[str]:
    """The questions that come with the package: what people ask about photographs."""
    text = resources.files("sqeval.questions").joinpath("reference_questions.txt").read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line]


def sentence(question: str) -> list[str]:
    """Tokens with a final ``?``, whether the question has one or not: it must not carry the verdict."""
    return [*tokens(question), "?"]


class Trigram:
    """Interpolated Kneser-Ney with one discount; words seen once in training are ``<unk>``."""

    def __init__(self, corpus: Iterable[Sequence[str]]) -> None:
        sentences = [list(each) for each in corpus]
        seen = Counter(word for each in sentences for word in each)
        self.vocabulary = {word for word, count in seen.items() if count > 1} | {UNKNOWN, END}
        padded = [[START, START, *self._known(each), END] for each in sentences]
        self._trigrams = Counter(t for s in padded for t in zip(s, s[1:], s[2:], strict=False))
        bigrams = {(b, w) for _, b, w in self._trigrams}
        self._after: Counter[tuple[str, str]] = Counter()  # c(ab.)
        self._kinds_after: Counter[tuple[str, str]] = Counter()  # N1+(ab.)
        self._before: Counter[tuple[str, str]] = Counter()  # N1+(.bw)
        for (a, b, w), count in self._trigrams.items():
            self._after[a, b] += count
            self._kinds_after[a, b] += 1
            self._before[b, w] += 1
        self._middle: Counter[str] = Counter()  # N1+(.b.)
        self._kinds_middle: Counter[str] = Counter()  # N1+(b.) among bigrams with a history
        for (b, _), count in self._before.items():
            self._middle[b] += count
            self._kinds_middle[b] += 1
        self._ends: Counter[str] = Counter(w for _, w in bigrams)  # N1+(.w)
        self._bigrams = sum(self._ends.values())
        known = Counter(w for s in padded for w in s[2:])
        total = sum(known.values()) + ADDED * len(self.vocabulary)
        self._unigram = {word: math.log((known[word] + ADDED) / total) for word in self.vocabulary}

    def logprob(self, words: Sequence[str]) -> float:
        """Natural-log probability of a sentence, its end included."""
        padded = [START, START, *self._known(words), END]
        return sum(math.log(self._p3(*t)) for t in zip(padded, padded[1:], padded[2:], strict=False))

    def slor(self, words: Sequence[str]) -> float:
        """(ln p - ln p_unigram) / (length + 1)."""
        known = [*self._known(words), END]
        return (self.logprob(words) - sum(self._unigram[word] for word in known)) / len(known)

    def probability(self, word: str, before: tuple[str, str]) -> float:
        """p(word | the two before), of words as the model knows them."""
        return self._p3(*before, word)

    def _known(self, words: Iterable[str]) -> list[str]:
        return [word if word in self.vocabulary else UNKNOWN for word in words]

    def _p3(self, a: str, b: str, w: str) -> float:
        after = self._after[a, b]
        if not after:
            return self._p2(b, w)
        rest = DISCOUNT * self._kinds_after[a, b] / after
        return max(self._trigrams[a, b, w] - DISCOUNT, 0) / after + rest * self._p2(b, w)

    def _p2(self, b: str, w: str) -> float:
        middle = self._middle[b]
        if not middle:
            return self._p1(w)
        rest = DISCOUNT * self._kinds_middle[b] / middle
        return max(self._before[b, w] - DISCOUNT, 0) / middle + rest * self._p1(w)

    def _p1(self, w: str) -> float:
        rest = DISCOUNT * len(self._ends) / self._bigrams
        return max(self._ends[w] - DISCOUNT, 0) / self._bigrams + rest / len(self.vocabulary)


class Fluency:
    """SLOR with the floor that people pass: fitted on `questions`, calibrated on parts that were held out."""

    def __init__(self, questions: Sequence[str]) -> None:
        sentences = [sentence(question) for question in questions]
        held_out: list[float] = []
        for fold in range(FOLDS):
            model = Trigram(s for i, s in enumerate(sentences) if i % FOLDS != fold)
            held_out += [model.slor(s) for i, s in enumerate(sentences) if i % FOLDS == fold]
        self._model = Trigram(sentences)
        ordered = sorted(held_out)
        self.floor = ordered[int(FLOOR_QUANTILE * (len(ordered) - 1))]
        """5th percentile of questions that the model was not fitted on."""

    def slor(self, question: str) -> float:
        """Of one question."""
        return self._model.slor(sentence(question))

    def fluent(self, question: str) -> bool:
        """Whether fewer than one person in twenty would write something less fluent."""
        return self.slor(question) >= self.floor
