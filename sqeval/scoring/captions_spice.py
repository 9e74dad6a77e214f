"""SPICE 1.0 (Anderson et al. 2016), where its program can run: it needs a parser that no Python package carries.

The program is the one inside pycocoevalcap. It is started without its cache of parsed captions, whose library fails on
Java 16 and newer and whose folder would stay behind; everything that it writes lies in a temporary folder of ours.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqeval.data.mini.cache import cache_home
from sqeval.errors import UserError
from sqeval.java import OLDEST, Java, javas, run_java
from sqeval.scoring.captions_java import jar

PARSER = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
NEWEST = 14
"""The last Java with a JavaScript engine, by which SPICE formats its output."""

_ENGINE = "META-INF/services/javax.script.ScriptEngineFactory"
_SECONDS, _SECONDS_A_CAPTION = 600.0, 1.0  # about ten times what a slow machine needs to load, and to parse
Segment = tuple[str, Sequence[str]]
"""A tokenized candidate and its tokenized references."""


@dataclass(frozen=True, slots=True)
class Spice:
    """Everything that SPICE needs, found."""

    java: Java
    path: tuple[Path, ...]
    """Java's class path."""


def folder() -> Path:
    """Where people put what SPICE lacks; its own ``lib`` inside pycocoevalcap will do as well."""
    return cache_home() / "spice"


def find_spice() -> Spice:
    """Raises UserError that says what is missing, all at once; without paths, since results keep the message."""
    program = jar("spice/spice-1.0.jar")
    jars = [path for place in (program.parent / "lib", folder()) for path in sorted(place.glob("*.jar"))]
    parser = {name: next((path for path in jars if path.name == name), None) for name in PARSER}
    problems = [f"{name} {_fault(path)}" for name, path in parser.items() if (path is None or not _whole(path))]
    if problems:
        problems[-1] += (
            " (both are in stanford-corenlp-full-2015-12-09.zip of nlp.stanford.edu; `sqeval doctor` tells where to)"
        )
    java, problem = _java(any(map(_has_engine, jars)))
    if problem:
        problems.append(problem)
    if problems or java is None:
        raise UserError(f"SPICE needs more than comes with the packages: {'; '.join(problems)}")
    return Spice(java, (program, *jars))


def spice(segments: Sequence[Segment], found: Spice) -> list[float]:
    """F-score over all tuples of each tokenized candidate, 0..1; the official score is their mean over images.

    Raises UserError if the program fails.
    """
    if not segments:
        return []
    rows = [{"image_id": i, "test": test, "refs": list(refs)} for i, (test, refs) in enumerate(segments)]
    captions = sum(1 + len(refs) for _, refs in segments)
    with tempfile.TemporaryDirectory(prefix="sqeval-spice-") as place:
        given, told = Path(place, "captions.json"), Path(place, "scores.json")
        given.write_text(json.dumps(rows), "ascii")
        options = ["-Xmx8G", f"-Djava.io.tmpdir={place}", "-cp", os.pathsep.join(map(str, found.path))]
        program = ["edu.anu.spice.SpiceScorer", str(given), "-out", str(told), "-silent"]
        try:
            run_java(found.java, [*options, *program], "", timeout=_SECONDS + _SECONDS_A_CAPTION * captions)
            return _scores(told.read_text("utf-8"), len(rows))
        except (OSError, UserError) as error:
            raise UserError(f"SPICE: {error}; without {PARSER[1]}, all but SPICE is computed") from None


def _scores(text: str, expected: int) -> list[float]:
    try:
        scores = {row["image_id"]: float(row["scores"]["All"]["f"]) for row in json.loads(text)}
        return [scores[i] for i in range(expected)]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"expected scores of {expected:,} captions, found {text[:100]!r}") from None


def _java(engine: bool) -> tuple[Java | None, str | None]:
    """The first Java that can run SPICE, or what is wrong with those that there are."""
    known = [java for java in javas() if java.major >= OLDEST]
    chosen = next((java for java in known if engine or java.major <= NEWEST), None)
    if chosen is not None:
        return chosen, None
    have = " and ".join(java.version for java in known) or "none"
    remedy = f"put Java {OLDEST} to {NEWEST} on the PATH, or add the jar of an engine such as Rhino's or Nashorn's"
    return None, f"a Java with a JavaScript engine (there is {have}: {remedy})"


def _fault(path: Path | None) -> str:
    return "is missing" if path is None else "is not a whole jar"


def _whole(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except OSError:
        return False


def _has_engine(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return _ENGINE in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
