"""The question report and the rating sheet in a real browser; needs Chromium, which `make browser` installs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import chromium
import numpy as np
import pytest
from PIL import Image

from sqeval.questions.comparing import load
from sqeval.questions.files import Asked, Context, ImageQuestions
from sqeval.questions.page import write
from sqeval.questions.rating import ITEMS, KEY, PAGE, export, ingest
from sqeval.questions.scoring import score
from sqeval.questions.scoring import write as write_scores
from sqeval.questions.table import Setup

HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script> What is it?'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium.running() as found:
        yield found


def opened(browser: Any, path: Path) -> tuple[Any, list[str]]:
    """The page in a tab, and everything that went wrong in it."""
    page, wrong = browser.new_context(viewport={"width": 1100, "height": 900}).new_page(), list[str]()
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else wrong.append(r.url))
    page.goto(path.as_uri())
    return page, wrong


def run(folder: Path, name: str, texts: list[str]) -> list[ImageQuestions]:
    gen = {"sampling": "iid", "n": 2, "temperature": 1.0, "seed": 0}
    images = []
    for i in range(32):
        path = folder / f"{i}.png"
        Image.fromarray(np.full((40, 60, 3), 7 * i, dtype=np.uint8)).save(path)
        asked = tuple(Asked(f"{name}/{i}/{k}", text.format(i=i)) for k, text in enumerate(texts))
        context = Context((f"A thing of number n{i} stands.",), ("dog",))
        images.append(ImageQuestions(name, f"{i}.png", asked, {"name": name}, gen, str(path), context=context))
    return images


def test_the_report_shows_both_runs_and_stays_quiet(browser: Any, tmp_path: Path) -> None:
    one = run(tmp_path, "one", ["What is near n{i}?", "How many dogs are there?"])
    one[0] = replace(one[0], questions=(Asked("one/0/0", HOSTILE), one[0].questions[1]))
    scored = score([one, run(tmp_path, "two", ["Where is the cat?", "What is it?"])], Setup(k=2))
    for each in scored:
        write_scores(each, None, tmp_path / "scores" / each.run_id)
    write([load(tmp_path / "scores" / name) for name in ("one", "two")], tmp_path / "q.html")
    page, wrong = opened(browser, tmp_path / "q.html")
    assert "UQ-T1@2" in page.locator("#table h2").inner_text()
    assert page.locator("#funnel svg").count() == page.locator("#types svg").count() == 2
    assert page.locator("#heads .head").count() > 0
    assert page.locator("#gallery img").first.evaluate("image => image.naturalWidth") > 0
    page.locator("#types summary").first.click()
    assert page.locator("#types table").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("script").count() == 0
    assert HOSTILE in page.locator("body").inner_text()
    assert wrong == []


def test_a_sheet_is_filled_in_and_comes_back(browser: Any, tmp_path: Path) -> None:
    images = run(tmp_path, "one", ['Is n{i} =1, or "2"?', HOSTILE])
    export([images], tmp_path / "rating", 5)
    page, wrong = opened(browser, tmp_path / "rating" / PAGE)
    first = page.locator("section").first
    for name in ITEMS:
        first.locator(f'input[data-name="{name}"][value="1"]').check()
    first.locator('input[data-name="overall"][value="4"]').check()
    page.locator('section:nth-of-type(2) input[data-name="answerable"][value="0"]').check()
    assert page.locator("#done").inner_text() == "1 of 5 rated"
    with page.expect_download() as download:
        page.locator("#save").click()
    download.value.save_as(tmp_path / "ann.csv")
    ratings = ingest([tmp_path / "ann.csv"], tmp_path / "rating" / KEY)
    assert [dict(r.items) for r in ratings] == [{**dict.fromkeys(ITEMS, 1), "overall": 4}, {"answerable": 0}]
    assert wrong == []
