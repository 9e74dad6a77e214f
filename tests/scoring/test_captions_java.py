"""The official Java programs: their own corpus score, hostile text, and Java dying under our hands."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from sqeval.errors import UserError
from sqeval.java import Java, find_java, run_java
from sqeval.scoring import captions, captions_java
from sqeval.scoring.captions_java import METEOR_FIELDS, meteor_counts, tokenize
from sqeval.stats.metric import Floats

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "captions_synth.json").read_text())
SEGMENTS = [
    ("a red dog runs", ["a cat", "a red dog runs"]),
    ("a red dog runs", ["runs a red dog"]),
    ("dogs running", ["the dog runs"]),
    ("", ["a dog"]),
    ("a dog", [""]),
    ("", [""]),
    ("a ||| b", ["a ||| b", "c"]),
    ("ein café für öl", ["ein café für öl"]),
    ("the of and", ["of the and"]),
    ("two  spaces", ["two spaces"]),
]


@pytest.fixture(scope="module")
def java() -> Java:
    return find_java()


@pytest.fixture(scope="module")
def counts(java: Java) -> Floats:
    """Counts of `SEGMENTS`, made by a Java that believes to be in Germany, where 0.5 is written 0,5."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=de -Duser.country=DE -Dfile.encoding=US-ASCII")
        return meteor_counts([c for c, _ in SEGMENTS], [r for _, r in SEGMENTS], java)


def official_meteor(corpora: list[Floats], java: Java) -> list[list[float]]:
    """The jar's own scores of each corpus: those of its segments, then of all together."""
    lines = [" ||| ".join(["EVAL", *(" ".join(map(str, row)) for row in corpus.tolist())]) for corpus in corpora]
    program = ["-jar", str(captions_java.jar("meteor/meteor-1.5.jar")), "-", "-", "-stdio", "-l", "en", "-norm"]
    values = iter(run_java(java, program, "\n".join(lines) + "\n", timeout=300).split())
    return [[float(next(values)) for _ in range(len(corpus) + 1)] for corpus in corpora]


def test_sums_give_the_jars_own_corpus_score(java: Java, counts: Floats) -> None:
    rng = np.random.default_rng(0)
    corpora = [counts, counts[:1], counts[:2], counts[3:6], *(counts[rng.integers(10, size=6)] for _ in range(20))]
    for corpus, official in zip(corpora, official_meteor(corpora, java), strict=True):
        sums = captions.meteor_sums(corpus)
        np.testing.assert_allclose(captions.meteor(sums), official[:-1], rtol=1e-12)
        np.testing.assert_allclose(captions.meteor(sums.sum(axis=0)), official[-1], rtol=1e-12)


def test_counts_stay_with_their_segment(counts: Floats) -> None:
    scores = captions.meteor(captions.meteor_sums(counts)).tolist()
    assert scores[0] == scores[7] == scores[9] == 1.0
    assert scores[3] == scores[4] == scores[5] == 0.0
    assert 0 < scores[1] < 1
    assert 0 < scores[2] < 1
    assert counts[6, :2].tolist() == [2, 2]  # the bars are gone, and the reference is still one


def test_official_tokens(java: Java) -> None:
    raw = [annotation["caption"] for annotation in GOLDEN["annotations"]]
    wanted = [text for image in GOLDEN["image_order"] for text in GOLDEN["tok_refs"][str(image)]]
    assert tokenize(raw, java) == wanted
    assert tokenize([row["caption"] for row in GOLDEN["results"]], java) == list(GOLDEN["tok_cands"].values())


def test_no_character_shifts_the_captions_that_follow(java: Java) -> None:
    strange = [*map(chr, range(0x20)), *"\x7f\x85\xa0\u200b\u2028\u2029\u3000\ufeff\ufffd\ud800\U0001f600"]
    found = tokenize([text for char in strange for text in (f"Left{char}right", "", char, "caf\xe9.")], java)
    assert len(found) == 4 * len(strange)
    assert set(found[3::4]) == {"caf\xe9"}
    assert all(tokens.startswith("left") and tokens.endswith("right") for tokens in found[::4])
    assert set(found[1::4]) == {""}
    assert tokenize([], java) == []
    assert tokenize(["", ""], java) == ["", ""]


def test_java_killed_while_it_works_is_an_error(java: Java, tmp_path: Path) -> None:
    wrapper = tmp_path / "java"
    wrapper.write_text(f'#!/bin/sh\nexec 3<&0\n"{java.path}" "$@" <&3 &\nsleep 0.5\nkill -9 $!\nwait $!\n')
    wrapper.chmod(0o755)
    many = ["a dog runs"] * 20_000  # more than fits into the pipe
    with pytest.raises(UserError, match="failed with exit code 137"):
        meteor_counts(many, [["a cat"]] * len(many), Java(wrapper, java.version, "system"))


def test_java_that_hangs_is_ended(java: Java, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captions_java, "_SECONDS", 0.3)
    with pytest.raises(UserError, match="gave no result in 0 s and was ended"):
        meteor_counts(["a dog"], [["a cat"]], java)


def test_a_java_that_is_a_script_cannot_keep_us_waiting(java: Java, tmp_path: Path) -> None:
    """Its child outlives it and holds our end of the pipes."""
    wrapper = tmp_path / "java"
    wrapper.write_text("#!/bin/sh\nsleep 60\n")
    wrapper.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(UserError, match="gave no result in 1 s and was ended"):
        run_java(Java(wrapper, java.version, "system"), [], "text\n" * 100_000, timeout=1)
    assert time.monotonic() - began < 50


def test_many_captions_are_two_processes_and_the_same_counts(java: Java, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captions, "WORTH_A_PROCESS", 3)
    asked: list[int] = []

    def counted(said: Sequence[str], known: Sequence[Sequence[str]], java: Java) -> Floats:
        asked.append(len(said))
        counts: Floats = np.arange(METEOR_FIELDS) + np.array([[float(text)] for text in said])
        return counts

    monkeypatch.setattr(captions, "meteor_counts", counted)
    for many in (4, 5, 9):
        asked.clear()
        texts = {str(n): str(n) for n in range(many)}
        found = captions.caption_scores(texts, {image: ["0"] for image in texts})
        one = captions.meteor_sums(counted(list(texts), [], java))
        assert [[row[name] for name in captions.METEOR_SUMS] for row in found.values()] == one.tolist()
        assert asked[:-1] == [[many], [many - many // 2, many // 2]][many >= 5]


def test_a_program_that_fails_says_why(java: Java) -> None:
    with pytest.raises(UserError, match=r"failed with exit code 1: .*no\.such\.Program"):
        run_java(java, ["no.such.Program"], "", timeout=60)
    with pytest.raises(UserError, match="PTB tokenizer returned 1 lines for 2 captions"):
        captions_java._lines("one\n", 2, "the PTB tokenizer")


def test_a_missing_jar_is_named() -> None:
    with pytest.raises(UserError, match=r"meteor/meteor-2\.jar is missing; `pip install"):
        captions_java.jar("meteor/meteor-2.jar")


def test_nothing_is_written_beside_the_jars(java: Java) -> None:
    folder = captions_java.jar("tokenizer/stanford-corenlp-3.4.1.jar").parent
    before = sorted(folder.iterdir())
    tokenize(["A dog."], java)
    assert sorted(folder.iterdir()) == before
