"""The page in a real browser: opened from a file, filtered, walked through by keyboard, fed with hostile text.

Needs Chromium or Chrome on the PATH; `make browser` installs it where Debian's packages are.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromium
import html_runs
import pytest

from sqeval.report.html.page import write_report
from sqeval.runs import Run

IMAGES, EACH = 50, 40
QUIET = {"console": [], "requests": []}
VIEWS = ("summary", "breakdown", "answers", "samples", "record")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium.running() as found:
        yield found


def said(number: int) -> str | None:
    if number in (7, 8):
        return html_runs.HOSTILE
    return None if number == 3 else "red and…" if number == 5 else "blue" if number % 10 == 1 else "red"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    folder = tmp_path_factory.mktemp("runs")
    root = html_runs.vqav2_root(folder / "root", IMAGES, EACH, {7: html_runs.HOSTILE, 21: "Is the sombrero red?"})
    good = html_runs.answered(folder / "out" / "good", root, lambda number: "blue" if number == 30 else "red")
    return good, html_runs.answered(folder / "out" / "bad", root, said)


@pytest.fixture(scope="module")
def address(runs: tuple[Run, Run], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report([runs[1]], path, baseline=runs[0])
    return path.as_uri()


class Watched:
    """A tab, and what should not happen in it."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.page = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options}).new_page()
        self.happened: dict[str, list[str]] = {"console": [], "requests": []}
        self.page.on("console", lambda message: self.happened["console"].append(message.text))
        self.page.on("pageerror", lambda error: self.happened["console"].append(str(error)))
        self.page.on("request", self._requested)

    def _requested(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.happened["requests"].append(request.url)

    def open(self, address: str) -> Any:
        self.page.goto("about:blank")
        self.page.goto(address)
        return self.page


@pytest.fixture
def tab(browser: Any) -> Iterator[Watched]:
    watched = Watched(browser)
    yield watched
    watched.page.context.close()
    assert watched.happened == QUIET


def texts(page: Any, selector: str) -> list[str]:
    found: list[str] = page.locator(selector).all_inner_texts()
    return found


def test_the_summary_shows_what_got_worse_and_leads_to_it(tab: Watched, address: str) -> None:
    page = tab.open(address)
    assert page.title() == "bad against good – sqeval report"
    assert page.locator("#verdicts").is_visible()
    assert page.locator("#samples").is_hidden()
    assert page.locator(".card img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 40
    page.locator("td a.loss").click()
    worse = [number for number in range(IMAGES * EACH) if said(number) != "red" and number != 30]
    assert texts(page, "#status") == [f"{len(worse)} of 2,000 samples"]
    assert texts(page, ".show[aria-pressed=true]") == [f"got worse {len(worse)}"]


def test_a_flip_side_by_side(tab: Watched, address: str) -> None:
    page = tab.open(f"{address}#view=samples")
    page.get_by_role("button", name="got worse").click()
    page.locator("#query").fill("sombrero")
    page.locator("#status", has_text="1 of 2,000 samples").wait_for()
    page.locator(".row").click()
    assert texts(page, ".detail h2") == ["Is the sombrero red?"]
    assert texts(page, ".change") == ["Got worse: 100 → 0"]
    assert texts(page, ".answer-card h3") == ["good\n✓ 100", "bad\n✗ 0"]
    assert texts(page, ".parsed") == ["red", "blue"]
    assert texts(page, ".references li") == ["red ×10"]
    assert page.locator(".detail figure img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 40


def test_the_address_brings_sample_and_filters_back(tab: Watched, address: str) -> None:
    page = tab.open(f"{address}#view=samples")
    page.get_by_role("button", name="wrong").click()
    page.locator("#task").select_option("vqav2")
    page.locator("#tag").select_option("question_type=how many")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    before = [page.url, *texts(page, "#status"), *texts(page, ".detail h2"), *texts(page, ".row[aria-selected=true]")]
    assert len(before) == 4
    page.reload()
    after = [page.url, *texts(page, "#status"), *texts(page, ".detail h2"), *texts(page, ".row[aria-selected=true]")]
    assert before == after
    assert page.locator("#tag").input_value() == "question_type=how many"
    page.goto(page.locator(".permalink").evaluate("link => link.href"))
    assert texts(page, ".detail h2") == [before[2]]


def test_keyboard(tab: Watched, address: str) -> None:
    page = tab.open(address)
    page.keyboard.press("4")
    assert page.locator("#samples").is_visible()
    page.locator("#sort").select_option("data")
    page.locator("#list").focus()
    walked = []
    for key in ("j", "ArrowDown", "k", "End", "ArrowUp", "Home", "k"):
        page.keyboard.press(key)
        walked += texts(page, ".row[aria-selected=true] .where")
    assert walked == [f"vqav2 {number}" for number in (1, 2, 1, 1999, 1998, 0, 0)]
    page.keyboard.press("/")
    page.keyboard.type("THING 1777?")
    page.locator("#status", has_text="1 of 2,000 samples").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    page.keyboard.press("t")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")


def test_only_rows_in_sight_exist(tab: Watched, address: str) -> None:
    page = tab.open(f"{address}#view=samples")
    assert 0 < page.locator(".row").count() < 40
    page.locator("#list").evaluate("list => { list.scrollTop = 60000 }")
    page.locator(".row[aria-posinset='885']").wait_for()
    assert page.locator(".row").count() < 40


@pytest.mark.parametrize(("show", "shown"), [("errored", 3), ("truncated", 5)])
def test_what_went_wrong(show: str, shown: int, tab: Watched, address: str) -> None:
    page = tab.open(f"{address}#view=samples&show={show}")
    assert texts(page, ".row .where") == [f"vqav2 {shown}"]
    words = "".join(texts(page, ".detail"))
    assert ("the image is broken" in words) == (show == "errored")
    assert ("cut off at the token limit" in words) == (show == "truncated")


def test_hostile_text_stays_text(tab: Watched, address: str) -> None:
    page = tab.open(f"{address}#view=samples&s=vqav2/7")
    marked = html_runs.HOSTILE.replace("\u202e", "U+202E").replace("\u2028", "U+2028").replace("\x1b", "U+001B")
    assert texts(page, ".detail h2") == [marked]
    assert texts(page, ".answer-card pre")[-1] == marked
    for view in VIEWS:
        page.goto(f"{address}#view={view}")
        assert page.evaluate("window.hacked") is None
        assert page.locator("img[src='x'], svg[onload], [onerror]").count() == 0
    for part in (
        "view=samples&task=<img src=x onerror=window.hacked=1>",
        "view=%3Cscript%3E",
        "view=samples&run=99",
        "%E0%A4%A",
    ):
        page = tab.open(f"{address}#{part}")
        assert page.evaluate("window.hacked") is None


def test_the_policy_forbids_the_network(browser: Any, address: str) -> None:
    watched = Watched(browser)
    page = watched.open(address)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        target = f"http://127.0.0.1:{server.getsockname()[1]}/"
        outcome = page.evaluate("url => fetch(url, {mode: 'no-cors'}).then(() => 'sent', () => 'refused')", target)
        page.evaluate("url => { const image = new Image(); image.src = url; }", target)
        page.evaluate("() => { document.body.insertAdjacentHTML('beforeend', '<p id=p onclick=\"window.hacked=1\">') }")
        page.evaluate("document.getElementById('p').click()")
        with pytest.raises(TimeoutError):
            server.accept()
    assert outcome == "refused"
    assert page.evaluate("window.hacked") is None
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(scheme: str, browser: Any, address: str) -> None:
    """WCAG's ratio of 4.5 for every colour of text on every ground that it stands on."""
    watched = Watched(browser, color_scheme=scheme)
    page = watched.open(address)
    colours = ("text", "quiet", "accent", "loss", "gain", "warn", "ground", "panel", "raised")
    colours += ("loss-soft", "gain-soft", "warn-soft", "accent-soft", "mute-soft")
    style = "name => getComputedStyle(document.body).getPropertyValue('--' + name)"
    known = {name: page.evaluate(style, name).strip() for name in colours}
    pairs = [(text, ground) for text in colours[:6] for ground in ("ground", "panel")]
    pairs += [(name, f"{name}-soft") for name in ("loss", "gain", "warn", "accent")]
    pairs += [("quiet", "mute-soft"), ("text", "raised"), ("text", "accent-soft"), ("text", "gain-soft")]
    pairs += [("quiet", "accent-soft"), ("quiet", "raised")]
    low = {pair: ratio for pair in pairs if (ratio := contrast(known[pair[0]], known[pair[1]])) < 4.5}
    assert not low
    page.context.close()


def contrast(one: str, other: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_a_phone(browser: Any, address: str) -> None:
    watched = Watched(browser, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = watched.open(address)
    for view in VIEWS:
        page.goto(f"{address}#view={view}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, view
    page.goto(f"{address}#view=samples&show=worse")
    assert page.locator(".detail").is_hidden()
    page.locator(".row").first.tap()
    assert page.locator(".detail h2").is_visible()
    page.get_by_role("button", name="← list").tap()
    assert page.locator(".detail").is_hidden()
    assert watched.happened == QUIET
    page.context.close()


def test_names_for_those_who_do_not_see(tab: Watched, address: str) -> None:
    """Whatever can be operated has a name; one row is the active one of the list."""
    page = tab.open(f"{address}#view=samples")
    for element in page.locator("button:visible, select:visible, input:visible, a:visible").all():
        assert element.evaluate("e => (e.labels?.[0]?.innerText || e.getAttribute('aria-label') || e.innerText).trim()")
    active = page.locator("#list").get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("aria-selected") == "true"
    assert page.locator("svg.chart:not([aria-label])").count() == 0
    assert page.locator("img:not([alt])").count() == 0


def test_thumbnails_beside_the_page_are_shown(tab: Watched, runs: tuple[Run, Run], tmp_path: Path) -> None:
    write_report([runs[0]], tmp_path / "a report.html", embed_mb=0)
    page = tab.open(f"{(tmp_path / 'a report.html').as_uri()}#view=samples")
    image = page.locator(".detail figure img")
    assert image.evaluate("image => image.src").startswith("file:")
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 40
