"""What the documentation says to type is typed: every `$` line and every Python block, page by page, in order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pages import DOCS, PAGES, REPOSITORY, Block, blocks, lay_out, same_words, type_line

from docs.generate import commands

RUN_ELSEWHERE = {
    "README.md": "tests/e2e/test_readme.py",
    "CONTRIBUTING.md": "tests/e2e/test_contributing.py",
    "docs/protocols.md": "tests/e2e/test_contributing.py",
}
"""Pages whose Python blocks, and README's commands, another test runs."""
FOREIGN = {
    *("--help", "--install-completion"),  # of every program of Typer's
    *("--power", "--reuse", "--use_cache"),  # of other harnesses
    *("--batch_size", "--log_samples", "--model_args"),
    *("--against", "--clock", "--compile", "--photos", "--rounds", "--size"),  # of benchmarks/
    *("--decode", "--rate32", "--rate6"),
    *("--kills", "--only"),  # of tests/chaos
    *("--address", "--head", "--port"),  # of Ray
    *("--config_file", "--main_process_ip", "--main_process_port", "--machine_rank", "--nproc_per_node"),
    *("--num_machines", "--num_processes"),
    *("--local-dir", "--repo-type", "--no-deps"),
}
LANGUAGES = {"console", "python"}
"""There is no other of a shell: what cannot be typed as it stands has no `$`."""
NOT_RUN = "# not run: "
"""How a Python block begins that needs what is not there."""


def name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def example(page: Path) -> Path | None:
    """The test that types the page of an example, in a copy of the example's folder."""
    folder = page.parent
    return Path(__file__).with_name(f"test_{folder.name}_example.py") if folder.parent == DOCS / "examples" else None


def is_run(block: Block) -> bool:
    if block.language == "python":
        return not block.text.startswith(NOT_RUN)
    return bool(block.typed)


def here(page: Path) -> list[Block]:
    found = [block for block in blocks(page) if block.language in (*LANGUAGES, "text")]
    return [block for block in found if not (block.language == "python" and name(page) in RUN_ELSEWHERE)]


SLOW = {"docs/regression-gate.md", "docs/questions.md"}
"""Pages that ask whole benchmarks, or all questions about many images."""
OTHERS = [page for page in PAGES if name(page) != "README.md" and example(page) is None]
TYPED = [page for page in OTHERS if any(map(is_run, here(page)))]
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
    assert all(test.is_file() for test in map(example, PAGES) if test is not None)


def test_every_option_that_is_named_exists() -> None:
    """In code, on every page; those of other programs are named here."""
    ours = {
        option for _, command in commands.every() for one in command.params for option in one.opts + one.secondary_opts
    }
    for page in PAGES:
        code = re.findall(r"`[^`\n]+`|^```.*?^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        named = set(re.findall(r"(?<![\w-])--([a-z][\w-]+)", "\n".join(code)))
        assert {f"--{option}" for option in named} - ours - FOREIGN == set(), name(page)
