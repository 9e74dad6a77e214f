"""A full disk, a folder that is none, a second process: one message and exit code 2, and nothing written is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from killed_commands import Whole, content, differing
from nursery import Ended, Nursery
from test_kills import NAMES

from sqeval.lock import locked, locked_file
from sqllava.training.hold import held


def refused(ended: Ended, *words: str) -> None:
    """The command ended as bad input does."""
    assert ended.status == 2, ended.said
    assert "Traceback" not in ended.said
    for word in words:
        assert word in ended.said


@pytest.mark.parametrize("share", [0, 0.6])
@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_loses_nothing(
    name: str, share: float, nursery: Nursery, wholes: dict[str, Whole], tmp_path: Path
) -> None:
    """No file may be longer than a `share` of the longest that the command writes."""
    alone, out = wholes[name], tmp_path / "out"
    longest = max(len(each) for each in alone.content.values() if isinstance(each, bytes))
    words = alone.command.typed(out)
    refused(nursery.run(alone.command.program, words, out, file_bytes=int(share * longest)), "cannot be written")
    ended = nursery.run(alone.command.program, words, out)
    assert ended.status == 0, ended.said
    assert not differing(alone.content, content(out))


@pytest.mark.parametrize(("name", "megabytes"), [("run", 10), ("answer", 100), ("train", 10)])
def test_memory_that_runs_out_loses_nothing(
    name: str, megabytes: int, nursery: Nursery, wholes: dict[str, Whole], tmp_path: Path
) -> None:
    """Wherever it does: the process may end as it likes, and the next one goes on."""
    alone, out = wholes[name], tmp_path / "out"
    words = alone.command.typed(out)
    nursery.run(alone.command.program, words, out, memory=megabytes << 20)
    ended = nursery.run(alone.command.program, words, out)
    assert ended.status == 0, ended.said
    assert not differing(alone.content, content(out))


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_cannot_be(name: str, nursery: Nursery, wholes: dict[str, Whole], tmp_path: Path) -> None:
    """As a read-only one, but for root too: a file stands where the folder should be."""
    (tmp_path / "file").write_bytes(b"")
    command, out = wholes[name].command, tmp_path / "file" / "out"
    refused(nursery.run(command.program, command.typed(out), out), str(tmp_path / "file"), "cannot be written")


@pytest.mark.parametrize("name", NAMES)
def test_a_second_process_is_refused(name: str, nursery: Nursery, wholes: dict[str, Whole], tmp_path: Path) -> None:
    command, out = wholes[name].command, tmp_path / "out"
    (out / "it" if name in ("run", "score") else out).mkdir(parents=True)
    file = {"ask": out / "it.questions.jsonl", "answer": out / "it.answers.jsonl"}.get(name)
    with held(out) if name == "train" else locked(out / "it") if file is None else locked_file(file):
        refused(nursery.run(command.program, command.typed(out), out), "another process")


def test_two_files_of_a_folder_are_written_at_once(nursery: Nursery, wholes: dict[str, Whole], tmp_path: Path) -> None:
    command = wholes["answer"].command
    with locked_file(tmp_path / "other.answers.jsonl"), locked_file(tmp_path / "it.questions.jsonl"):
        ended = nursery.run(command.program, command.typed(tmp_path), tmp_path)
    assert ended.status == 0, ended.said
    assert (tmp_path / "it.answers.jsonl").read_bytes() == wholes["answer"].content["it.answers.jsonl"]
