"""SPICE: what is missing is named; its program is driven, dies, hangs and lies without a trace."""

from __future__ import annotations

import json
import os
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from golden_captions import IMAGES, SAID, references

from sqeval.errors import UserError
from sqeval.java import find_java, javas
from sqeval.scoring import captions, captions_spice
from sqeval.scoring.captions_java import METEOR_FIELDS, jar
from sqeval.scoring.captions_spice import NEWEST, PARSER, Spice, find_spice, spice

JAVA_8 = """#!{python}
import json, os, sys, time
if "-version" in sys.argv:
    print('openjdk version "1.8.0_392"', file=sys.stderr)
    sys.exit()
if "edu.anu.spice.SpiceScorer" not in sys.argv:
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
given, told = sys.argv[sys.argv.index("edu.anu.spice.SpiceScorer") + 1 :][:3:2]
rows = json.load(open(given))
json.dump([sys.argv, rows], open({log!r}, "w"))
scores = [{{"image_id": r["image_id"], "scores": {{"All": {{"f": len(r["test"]) / 1000}}}}}} for r in rows]
{then}
json.dump(scores, open(told, "w"))
"""
"""A Java that knows SPICE: the F-score is the candidate's length in thousandths."""
SEGMENTS = [("a dog", ["a cat", "a dog runs"]), ("", ["caf\xe9"])]

Install = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for SPICE's jars; temporary files in a folder of the test's own."""
    monkeypatch.setenv("SQEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(captions_spice.tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    captions_spice.folder().mkdir(parents=True)
    return captions_spice.folder()


@pytest.fixture
def install(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts the parser's jars into the cache, and a Java 8 on the PATH that does `then` before it writes its scores."""

    def put(then: str = "") -> Path:
        for name in PARSER:
            write_jar(cache / name)
        log, java = tmp_path / "log.json", tmp_path / "bin" / "java"
        text = JAVA_8.format(python=sys.executable, real=str(find_java().path), log=str(log), then=then)
        java.parent.mkdir(exist_ok=True)
        java.write_text(text)
        java.chmod(0o755)
        monkeypatch.setenv("PATH", str(java.parent), prepend=os.pathsep)
        return log

    return put


def write_jar(path: Path, entry: str = "META-INF/MANIFEST.MF") -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, "")


def nothing_left(tmp_path: Path) -> bool:
    beside = {path.name for path in jar("spice/spice-1.0.jar").parent.iterdir()}
    return not list((tmp_path / "tmp").iterdir()) and not beside & {"cache", "tmp"}


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        find_spice()
    message = str(raised.value)
    for name in PARSER:
        assert f"{name} is missing" in message
    assert "stanford-corenlp-full-2015-12-09.zip" in message
    assert str(tmp_path) not in message  # results keep it
    if all(java.major > NEWEST for java in javas()):
        assert "put Java 8 to 14 on the PATH, or add the jar of an engine such as Rhino's or Nashorn's" in message


def test_a_torn_jar_is_named(install: Install, cache: Path) -> None:
    install()
    assert find_spice().java.version == "1.8.0_392"
    (cache / PARSER[1]).write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UserError, match=rf"{PARSER[1]} is not a whole jar \(both are in") as raised:
        find_spice()
    assert PARSER[0] not in str(raised.value)
    assert "Java" not in str(raised.value)


@pytest.mark.skipif(find_java().major <= NEWEST, reason="this Java has a JavaScript engine of its own")
def test_a_new_java_needs_an_engine(cache: Path) -> None:
    for name in PARSER:
        write_jar(cache / name)
    with pytest.raises(UserError, match=r"packages: a Java with a JavaScript engine \(there is \d+"):
        find_spice()
    write_jar(cache / "engine.jar", "META-INF/services/javax.script.ScriptEngineFactory")
    found = find_spice()
    assert found.java.major > NEWEST
    assert {path.name for path in found.path} >= {*PARSER, "engine.jar", "spice-1.0.jar"}
    assert found.path[0].name == "spice-1.0.jar"


def test_the_program_is_run_without_its_cache_and_in_a_folder_of_ours(install: Install, tmp_path: Path) -> None:
    log = install()
    assert spice(SEGMENTS, find_spice()) == [0.005, 0.0]
    arguments, rows = json.loads(log.read_text())
    assert "-cache" not in arguments
    assert rows == [{"image_id": i, "test": test, "refs": refs} for i, (test, refs) in enumerate(SEGMENTS)]
    assert str(tmp_path / "tmp") in arguments[arguments.index("edu.anu.spice.SpiceScorer") + 1]
    assert nothing_left(tmp_path)
    assert spice([], find_spice()) == []


@pytest.mark.parametrize(
    ("then", "message"),
    [
        ("sys.exit('java.lang.OutOfMemoryError: Java heap space')", "exit code 1: java.lang.OutOfMemoryError"),
        ("os.kill(os.getpid(), 9)", "failed with exit code -9: it said nothing"),
        ("del scores[1]", r"expected scores of 2 captions, found '\[\{"),
        ("scores[1]['scores'] = {}", "expected scores of 2 captions"),
        ("scores = None", "expected scores of 2 captions, found 'null'"),
        ("sys.exit(0)", "No such file"),
        ("time.sleep(60)", "gave no result in 2 s and was ended"),
        ("os.system('sleep 60')", "gave no result in 2 s and was ended"),  # the sleeping child keeps the pipes
    ],
)
def test_a_program_that_fails_is_one_message(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str, message: str
) -> None:
    install(then)
    if "sleep" in then:
        monkeypatch.setattr(captions_spice, "_SECONDS", 2.0)
        monkeypatch.setattr(captions_spice, "_SECONDS_A_CAPTION", 0.0)
    began = time.monotonic()
    with pytest.raises(UserError, match=message) as raised:
        spice(SEGMENTS, find_spice())
    assert time.monotonic() - began < 50
    assert str(raised.value).startswith("SPICE: ")
    assert str(raised.value).endswith(f"without {PARSER[1]}, all but SPICE is computed")
    assert nothing_left(tmp_path)


def test_the_real_program_fails_soundly_without_its_parser(tmp_path: Path) -> None:
    """The wheel's own jar, with the tokenizer's older CoreNLP: it starts, reads its input, and lacks the models."""
    found = Spice(find_java(), (jar("spice/spice-1.0.jar"), jar("tokenizer/stanford-corenlp-3.4.1.jar")))
    with pytest.raises(UserError, match=r"SPICE: .* failed with exit code 1: .*edu\.(stanford|anu)"):
        spice(SEGMENTS, found)
    assert nothing_left(tmp_path)


def test_scores_stay_with_their_image(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captions, "meteor_counts", lambda said, *_: np.zeros((len(said), METEOR_FIELDS)))
    log = install()
    some = {image: SAID[image] for image in IMAGES[:9]}
    found = captions.caption_scores(some, references(), with_spice=find_spice())
    _, rows = json.loads(log.read_text())
    assert len(rows) < 2 * len(some)  # most captions are the same after cleaning: those are parsed once
    plain = captions.caption_scores(some, references())
    for image, row in found.items():
        assert {name: value for name, value in row.items() if "spice" not in name} == plain[image]
        assert row["spice"] in {len(given["test"]) / 1000 for given in rows}
    lengths = {image: round(row["spice"] * 1000) for image, row in found.items()}
    tokens = captions.tokenize(list(some.values()), find_java())
    assert lengths == {image: len(text) for image, text in zip(some, tokens, strict=True)}
