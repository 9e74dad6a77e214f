"""Every relative link in README, CONTRIBUTING and docs leads to a file and a heading that exist; every page is in the
navigation; the site is built without a warning and asks nothing of the network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import DOCS, PAGES, REPOSITORY

INDEX = DOCS / "index.md"
LINK = re.compile(r"\]\(([^()\s]+)\)")
OUTSIDE = re.compile(r"^[a-z]+:")


def unfenced(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """A page without its code, blocks and words."""
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "code", unfenced(page))


def links(page: Path) -> list[tuple[Path, str]]:
    """File and anchor of every relative link; the page itself where only an anchor is given."""
    found = [target.partition("#") for target in LINK.findall(prose(page)) if not OUTSIDE.match(target)]
    return [((page.parent / path).resolve() if path else page, anchor) for path, _, anchor in found]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", unfenced(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
    return set(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{target}#{anchor}"


def test_every_page_is_in_the_navigation() -> None:
    listed = [target for target, _ in links(INDEX)]
    assert set(PAGES) - {INDEX} <= set(listed)
    assert len(listed) == len(set(listed))


def test_readme_leads_to_the_index() -> None:
    assert INDEX in [target for target, _ in links(REPOSITORY / "README.md")]


def test_every_test_and_script_that_is_named_exists() -> None:
    named = {
        path for page in PAGES for path in re.findall(r"\b(?:tests|benchmarks)/[\w/.]*\w", page.read_text("utf-8"))
    }
    assert len(named) > 20
    assert not [path for path in named if not (REPOSITORY / path).exists()]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sphinx", reason="the extra `docs` is not installed")
    out = tmp_path_factory.mktemp("site")
    options = ("-q", "-W", "--keep-going", "-b", "html", "-c", "docs", "-d", str(out / "doctrees"))
    command = [sys.executable, "-m", "sphinx", *options, ".", str(out / "html")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / "html"


def test_the_site_has_every_page_and_opens_with_the_index(site: Path) -> None:
    assert all((site / page.relative_to(REPOSITORY)).with_suffix(".html").is_file() for page in PAGES)
    assert "docs/index.html" in (site / "index.html").read_text("utf-8")


def test_the_site_asks_nothing_of_the_network(site: Path) -> None:
    """Scripts, styles, images and frames; a link that somebody may click is none."""
    loading = r"<(?:script|img|iframe|source|link|embed|object)\b[^>]*(?:src|href|data)="
    loads = re.compile(loading + r'"((?:https?:)?//[^"]+)"')
    styles = re.compile(r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')]+)")
    asks = re.compile(r"(?:fetch|import|XMLHttpRequest|\.src\s*=)[^;]{0,40}https?://")
    for pattern, suffix in ((loads, "html"), (styles, "css"), (asks, "js")):
        files = [*site.rglob(f"*.{suffix}")]
        assert files
        assert not [file for file in files if pattern.search(file.read_text("utf-8"))]
