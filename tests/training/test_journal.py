"""The journal of a run: resuming leaves no trace, a full disk is an error that names the file, trackers get numbers."""

from __future__ import annotations

import json
import math
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker, on_main_process
from hypothesis import given
from hypothesis import strategies as st

from sqllava.training.journal import Journal, JournalError, read_journal

STAGES = [("alignment", 4), ("tuning", 6)]


def entry(stage: str, step: int) -> dict[str, Any]:
    return {"stage": stage, "step": step, "steps": dict(STAGES)[stage], "loss": 3 / step, "lr": {"projector": 1e-3}}


def happenings() -> list[tuple[str, int]]:
    return [(name, step) for name, steps in STAGES for step in range(1, steps + 1)]


def write(journal: Journal, after: tuple[str, int] | None, until: int) -> None:
    """Log the steps after `after`, as a loop would: up to the `until`-th of the run, with an event at each second."""
    todo = happenings()
    for stage, step in todo[todo.index(after) + 1 if after else 0 : until]:
        journal.log(entry(stage, step))
        if step % 2 == 0:
            journal.event("evaluation", stage=stage, step=step, tasks={"gqa": step / 10})


def without_time(path: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "seconds"} for line in read_journal(path)]


def test_lines_are_on_disk_when_log_returns(tmp_path: Path) -> None:
    with Journal(tmp_path / "run" / "train.jsonl", STAGES, quiet=True) as journal:
        journal.log(entry("alignment", 1))
        lines = (tmp_path / "run" / "train.jsonl").read_text().splitlines()
        assert [{**json.loads(line), "seconds": 0} for line in lines] == [{**entry("alignment", 1), "seconds": 0}]


@given(reached=st.integers(0, 10), saved=st.integers(0, 10), cut=st.integers(0, 200))
def test_a_resumed_run_leaves_the_journal_of_an_uninterrupted_one(
    tmp_path_factory: pytest.TempPathFactory, reached: int, saved: int, cut: int
) -> None:
    """Stopped after any step, the last line torn anywhere, resumed from any earlier checkpoint."""
    folder = tmp_path_factory.mktemp("journal")
    with Journal(folder / "whole.jsonl", STAGES, quiet=True) as journal:
        write(journal, None, 10)
    path = folder / "train.jsonl"
    resume_at = happenings()[saved - 1] if 0 < saved <= reached else None
    with Journal(path, STAGES, quiet=True) as journal:
        write(journal, None, saved if resume_at else 0)
        safe = path.stat().st_size  # Flushed before the checkpoint was; what comes after may be torn.
        write(journal, resume_at, reached)
    os.truncate(path, max(safe, path.stat().st_size - cut))

    with Journal(path, STAGES, resume_at=resume_at, quiet=True) as journal:
        write(journal, resume_at, 10)
    assert without_time(path) == without_time(folder / "whole.jsonl")
    assert path.read_bytes().endswith(b"\n")


def test_the_clock_goes_on_where_it_stood(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    lines = [{**entry("alignment", step), "seconds": 1000.0 * step} for step in (1, 2, 3)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with Journal(path, STAGES, resume_at=("alignment", 2), quiet=True) as journal:
        journal.log(entry("alignment", 3))
    seconds = [line["seconds"] for line in read_journal(path)]
    assert seconds[:2] == [1000.0, 2000.0]
    assert 2000 <= seconds[2] < 2900


def test_a_line_of_a_later_stage_is_dropped_even_at_its_step_zero(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    with Journal(path, STAGES, quiet=True) as journal:
        write(journal, None, 4)
        journal.event("evaluation", stage="tuning", step=0, tasks={"gqa": 0.5})
    with Journal(path, STAGES, resume_at=("alignment", 4), quiet=True):
        pass
    assert {line["stage"] for line in read_journal(path)} == {"alignment"}


def test_a_killed_writer_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    program = """if True:
        import sys
        from pathlib import Path
        from sqllava.training.journal import Journal
        with Journal(Path(sys.argv[1]), [("alignment", 10**9)], quiet=True) as journal:
            for step in range(1, 10**9):
                journal.log({"stage": "alignment", "step": step, "loss": 1.0})
    """
    writer = subprocess.Popen([sys.executable, "-c", program, str(path)])
    while not (path.exists() and path.stat().st_size > 5000):
        assert writer.poll() is None
        time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    steps = [line["step"] for line in read_journal(path)]
    assert steps == list(range(1, len(steps) + 1))


def test_a_malformed_line_inside_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    with Journal(path, STAGES, quiet=True) as journal:
        write(journal, None, 3)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:20], *lines[2:]]) + "\n")
    with pytest.raises(JournalError, match=r"train\.jsonl, line 2: not valid JSON"):
        Journal(path, STAGES, resume_at=("alignment", 3), quiet=True).__enter__()


@pytest.mark.parametrize("line", ["[]", '{"step": 1}', '{"stage": "alignment", "step": "1"}', "\xff"])
def test_a_line_that_is_no_entry_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "train.jsonl").write_bytes(line.encode("latin-1") + b"\n")
    with pytest.raises(JournalError, match="line 1: "):
        read_journal(tmp_path / "train.jsonl")


def test_another_runs_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    with Journal(path, STAGES, quiet=True) as journal:
        write(journal, None, 3)
    before = path.read_bytes()
    with pytest.raises(JournalError, match="'alignment', this recipe's are pretraining"):
        Journal(path, [("pretraining", 4)], resume_at=("pretraining", 2), quiet=True).__enter__()
    assert path.read_bytes() == before


def test_a_missing_journal_is_named_on_resuming(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"train\.jsonl: cannot be read: No such file"):
        Journal(tmp_path / "train.jsonl", STAGES, resume_at=("alignment", 2), quiet=True).__enter__()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").symlink_to("/dev/full")
    with (
        Journal(tmp_path / "train.jsonl", STAGES, quiet=True) as journal,
        pytest.raises(JournalError, match=r"train\.jsonl: cannot be written: No space left"),
    ):
        journal.log(entry("alignment", 1))


def test_a_place_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be written"):
        Journal(tmp_path / "file" / "train.jsonl", STAGES, quiet=True).__enter__()


def test_what_json_cannot_say_is_null(tmp_path: Path) -> None:
    with Journal(tmp_path / "train.jsonl", STAGES, quiet=True) as journal:
        journal.log({**entry("alignment", 1), "loss": math.nan, "lr": {"projector": math.inf}})
    (line,) = read_journal(tmp_path / "train.jsonl")
    assert line["loss"] is None
    assert line["lr"] == {"projector": None}


class Kept(GeneralTracker):  # type: ignore[misc]
    """A tracker of one's own, as Accelerate takes them."""

    name = "kept"
    requires_logging_directory = False

    def __init__(self) -> None:
        super().__init__()
        self.logged: list[tuple[int | None, dict[str, float]]] = []

    @property
    def tracker(self) -> Kept:
        return self

    @on_main_process
    def store_init_configuration(self, values: dict[str, Any]) -> None:
        pass

    @on_main_process
    def log(self, values: dict[str, float], step: int | None = None, **kwargs: Any) -> None:
        self.logged.append((step, values))


def test_trackers_get_every_number_at_the_global_step(tmp_path: Path) -> None:
    kept = Kept()
    accelerator = Accelerator(log_with=kept, cpu=True)
    accelerator.init_trackers("run")
    with Journal(tmp_path / "train.jsonl", STAGES, accelerator=accelerator, quiet=True) as journal:
        journal.log(entry("tuning", 2))
        journal.event("evaluation", stage="tuning", step=2, tasks={"gqa": 0.6})
        journal.event("save", stage="tuning", step=2, path="checkpoints/tuning-2")
    (step, values), evaluation = kept.logged
    assert step == 4 + 2
    assert {key: value for key, value in values.items() if key != "seconds"} == {"loss": 1.5, "lr/projector": 1e-3}
    assert evaluation == (6, {"evaluation/tasks/gqa": 0.6})


class Other:
    """An accelerator's view from a process that is not the main one."""

    is_main_process = False
    trackers: tuple[Any, ...] = ()


def test_other_processes_write_and_show_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Journal(tmp_path / "train.jsonl", STAGES, accelerator=Other()) as journal:
        write(journal, None, 10)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_without_a_terminal_a_long_stage_stays_short(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Journal(tmp_path / "train.jsonl", [("tuning", 1000)]) as journal:
        for step in range(1, 1001):
            journal.log({"stage": "tuning", "step": step, "steps": 1000, "loss": 2.0, "tokens_per_second": 12345.6})
            if step % 100 == 0:
                journal.event("save", stage="tuning", step=step, path="somewhere")
        journal.event("evaluation", stage="tuning", step=1000, tasks={"gqa": 0.625, "pope": 0.875})
    shown = capfd.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 12
    assert "tuning 1000/1000  loss 2  12,346 tokens/s" in shown.err
    assert "gqa 0.625, pope 0.875" in shown.err.splitlines()[-1]


def test_on_a_terminal_there_is_a_bar_for_each_stage(tmp_path: Path) -> None:
    program = """if True:
        import sys
        from pathlib import Path
        from sqllava.training.journal import Journal
        with Journal(Path(sys.argv[1]), [("alignment", 4), ("tuning", 6)]) as journal:
            journal.log({"stage": "alignment", "step": 3, "steps": 4, "loss": 1.25, "tokens_per_second": 900.0})
            journal.event("evaluation", stage="alignment", step=3, tasks={"gqa": 0.5})
    """
    ours, theirs = pty.openpty()
    path = tmp_path / "train.jsonl"
    settings = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    subprocess.run([sys.executable, "-c", program, str(path)], stderr=theirs, check=True, env=settings)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # Linux says so at the end of a terminal that nobody holds open.
        pass
    text = shown.decode()
    for expected in ("alignment", "3/4", "loss 1.25", "900 tokens/s", "tuning", "0/6", "gqa 0.5"):
        assert expected in text
