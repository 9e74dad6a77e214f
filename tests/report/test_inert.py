"""One nasty text as question, answer, tag and name of a run, through a real run and every output: all stay inert."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from html_runs import Saying, vqav2_root
from typer.testing import CliRunner

from sqeval.cli.app import app
from sqeval.config import resolve
from sqeval.evaluation import evaluate
from sqeval.model import Identity

NASTY = {
    "html": "</script><script>alert(1)</script><img src=x onerror=alert(2)><a href='javascript:alert(3)'>",
    "terminal": "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil\x07\x9b31m\rover[bold red]written[/]\b\b",
    "formula": '=HYPERLINK("http://evil","x")',
    "formula with blanks": "\t =cmd|' /C calc'!A0",
    "formula in wide letters": "＝1+1",
    "latex": r"\input{/etc/passwd}\write18{id} $x$ 100% #1 _a^b~c&d",
    "direction": "\u202egpj.exe\u202c\u2066x\u2069\u200f",
    "markdown": "| a | b |\n# head\n[x](javascript:alert(1)) ![y](http://evil/z.png) `code` <b>",
    "xml": "\x00\x01\x0b\ufffe\uffff]]><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>&b;",
    "half a pair": "a\ud83db",
}
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What a terminal or an editor acts on, all but the newline."""


@dataclass(frozen=True)
class Runs:
    """Where two runs are, and what was nasty in them."""

    text: str
    out: Path
    first: Path
    second: Path


@pytest.fixture(scope="module", params=NASTY)
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    text, folder = NASTY[request.param], tmp_path_factory.mktemp("nasty")
    in_data = text.encode("utf-8", "replace").decode()  # half a pair is refused in data, and can be answered
    root = vqav2_root(folder / "root", 4, 3, {0: in_data})
    path = root / "vqav2" / "v2_mscoco_val2014_annotations.json"
    annotations = json.loads(path.read_bytes())
    annotations["annotations"][0]["question_type"] = in_data
    path.write_text(json.dumps(annotations), "utf-8")
    name = "x" + re.sub(r"[/\0\ud800-\udfff]", "", text)[:60]
    paths = []
    for which, answers in (("a", ["red"] * 12), ("b", [text, *["blue"] * 11])):
        given = {"tasks": "vqav2", "data": str(root), "out": str(folder / "out"), "name": which + name, "model": "says"}
        model = Saying(lambda key, answers=answers: answers[int(key)], Identity(text, "says", checkpoint=text))  # type: ignore[misc]
        paths.append(evaluate(resolve(given), model=model).folder)
    return Runs(text, folder / "out", *paths)


def sqeval(*words: object, codes: tuple[int, ...] = (0,)) -> str:
    result: Any = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code in codes, (result.exception, result.output)
    return str(result.output)


def printed(text: str) -> str:
    """`text`, which a terminal may be given."""
    assert not CONTROLS.search(text), CONTROLS.search(text)
    return text


class Elements(HTMLParser):
    """The elements of a page; notices what could act."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            assert not (value or "").strip().lower().startswith("javascript:")
            assert (
                name not in ("src", "srcset") or (value or "").startswith(("data:", "#")) or "_files/" in (value or "")
            )


def cells(line: str) -> int:
    """Of a row of a Markdown table: bars that are not escaped part them."""
    return len(re.findall(r"(?<!\\)(?:\\\\)*\|", line))


def markdown_is_inert(text: str) -> None:
    printed(text)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert tables
    for table in tables:
        assert len({cells(line) for line in table.splitlines()}) == 1
    assert not re.search(r"(?<!\\)<(?:script|img|a|b)\b", text)
    assert not re.search(r"(?<!\\)\]\(|(?<!\\)!\[", text)


def latex_is_inert(text: str) -> None:
    printed(text)
    assert r"\input" not in text
    assert r"\write" not in text
    assert text.count("{") == text.count("}")
    assert "$x$" not in text


def test_comparison(runs: Runs, tmp_path: Path) -> None:
    files = {kind: tmp_path / f"a.{kind}" for kind in ("json", "markdown", "junit", "html")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", path)]
    printed(sqeval("compare", runs.first, runs.second, *options, codes=(0, 3, 4)))
    markdown_is_inert(files["markdown"].read_text("utf-8"))
    cases = ElementTree.fromstring(files["junit"].read_bytes()).findall("testsuite/testcase")
    assert [case.get("name") for case in cases] == ["vqav2 accuracy"]
    assert not CONTROLS.search(files["junit"].read_text("utf-8"))
    page_is_inert(files["html"].read_text("utf-8"))
    assert json.loads(files["json"].read_bytes())


def page_is_inert(page: str) -> None:
    assert Elements(page).tags.count("script") == OWN_SCRIPTS
    assert "default-src 'none'" in page


OWN_SCRIPTS = 3
"""The report's code, samples and thumbnails."""


def test_report(runs: Runs, tmp_path: Path) -> None:
    printed(sqeval("report", runs.first, "-o", tmp_path / "a.html"))
    page_is_inert((tmp_path / "a.html").read_text("utf-8"))


@pytest.mark.parametrize("form", ["table", "md", "latex", "html", "csv", "json"])
def test_leaderboard(form: str, runs: Runs) -> None:
    text = printed(sqeval("leaderboard", runs.out, "--format", form))
    if form == "md":
        markdown_is_inert(text)
    elif form == "latex":
        latex_is_inert(text)
    elif form == "html":
        assert "script" not in Elements(text).tags
        assert "img" not in Elements(text).tags
    elif form == "csv":
        values = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert not [cell for cell in values if cell.strip()[:1] in "=@＝＠＋－" and cell.strip()]
    elif form == "json":
        assert json.loads(text)["rows"]


def test_score(runs: Runs, tmp_path: Path) -> None:
    printed(sqeval("score", "--predictions", runs.second, "--out", tmp_path, "--name", "again"))


def test_the_submission_has_the_answer_as_it_was_read(runs: Runs) -> None:
    """Nothing is escaped for a program that compares it to the letter; only what no file can hold is replaced."""
    rows = json.loads(next((runs.second / "vqav2").glob("submission.*")).read_bytes())
    records = [json.loads(line) for line in (runs.second / "vqav2" / "samples.jsonl").read_bytes().splitlines()]
    assert records[0]["response"] == runs.text.replace("\ud83d", "\ufffd")
    assert rows[0]["answer"] == records[0]["parsed"]
