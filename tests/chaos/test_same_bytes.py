"""The same command gives the same bytes, whatever order Python's sets and hashes have in that process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from killed_commands import Command, Whole, content, differing
from nursery import Nursery
from test_kills import NAMES

OTHER_SEED = 12345


@pytest.fixture(scope="module")
def other() -> Iterator[Nursery]:
    other = Nursery(OTHER_SEED)
    yield other
    other.close()


@pytest.mark.parametrize("name", NAMES)
def test_whole_folders(name: str, other: Nursery, wholes: dict[str, Whole], tmp_path: Path) -> None:
    """All but what run.json and the journal of a training tell of the time and the code's commit."""
    command = wholes[name].command
    ended = other.run(command.program, command.typed(tmp_path / "out"), tmp_path)
    assert ended.status == 0, ended.said
    assert not differing(wholes[name].content, content(tmp_path / "out"))


def test_reports(nursery: Nursery, other: Nursery, wholes: dict[str, Whole], tmp_path: Path) -> None:
    run = tmp_path / "results" / "it"
    command = wholes["run"].command
    assert nursery.run(command.program, command.typed(run.parent), tmp_path).status == 0
    files = ("--json", "OUT/a.json", "--markdown", "OUT/a.md", "--junit", "OUT/a.xml", "--html", "OUT/a.html")
    reports = [
        Command("compare", "sqeval", ("compare", str(run), str(run), *files)),
        Command("report", "sqeval", ("report", str(run), "-o", "OUT/r.html")),
        *(Command(form, "sqeval", ("leaderboard", str(run.parent), "--format", form, "-o", f"OUT/l.{form}"))
          for form in ("md", "csv", "latex", "html", "json")),
    ]  # fmt: skip
    found = []
    for number, one in enumerate((nursery, other)):
        out = tmp_path / str(number)
        for report in reports:
            ended = one.run(report.program, report.typed(out), out)
            assert ended.status == 0, ended.said
        found.append(content(out))
    assert len(found[0]) == 10
    assert not differing(*found)
