"""What the documentation says to type is typed: every `$` line and every Python block, page by page, in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pages import DOCS, PAGES, REPOSITORY, Block, blocks, lay_out, same_words, type_line

RUN_ELSEWHERE = {
    "README.md": "tests/e2e/test_readme.py",
    "CONTRIBUTING.md": "tests/e2e/test_contributing.py",
    "docs/protocols.md": "tests/e2e/test_contributing.py",
}
"""Pages whose Python blocks, and README's commands, another test runs."""
LANGUAGES = {"console", "python"}
"""There is no other of a shell: what cannot be typed as it stands has no `$`."""
NOT_RUN = "# not run: "
"""How a Python block begins that needs what is not there."""


def name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def is_run(block: Block) -> bool:
    if block.language == "python":
        return not block.text.startswith(NOT_RUN)
    return bool(block.typed)


def here(page: Path) -> list[Block]:
    found = [block for block in blocks(page) if block.language in (*LANGUAGES, "text")]
    return [block for block in found if not (block.language == "python" and name(page) in RUN_ELSEWHERE)]


SLOW = {"docs/regression-gate.md"}
"""Pages that ask whole benchmarks."""
TYPED = [page for page in PAGES if name(page) != "README.md" and any(map(is_run, here(page)))]
MARKED = [pytest.param(page, marks=[pytest.mark.slow] * (name(page) in SLOW), id=name(page)) for page in TYPED]


@pytest.mark.parametrize("page", MARKED)
def test_a_page_can_be_typed_from_top_to_bottom(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    printed = ""
    for block in here(page):
        if block.language == "python" and is_run(block):
            exec(compile(block.text, f"{name(page)}:{block.line}", "exec"), names)
        elif block.language == "text" and printed:
            assert same_words(block.text, printed) == [], f"{name(page)}:{block.line}: no command prints this any more"
        elif block.typed:
            printed = "\n".join(map(type_line, block.typed))


def test_most_blocks_are_run() -> None:
    """Of all that people wrote; the examples in docs/reference are those of each command's help."""
    written = [page for page in PAGES if not page.is_relative_to(DOCS / "reference")]
    every = [block for page in written for block in blocks(page) if block.language in LANGUAGES]
    assert sum(map(is_run, every)) > len(every) / 2


def test_what_says_that_it_is_run_elsewhere_is() -> None:
    for page, test in RUN_ELSEWHERE.items():
        assert Path(page).name in (REPOSITORY / test).read_text("utf-8")
