"""Killed at any moment, a training run continues and ends with the weights of one that was never interrupted."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_recipe import SMALL, small_recipe, steps

from sqllava.errors import SqLlavaError
from sqllava.training.run import train

SETTINGS = [*SMALL, *steps(9), "save_every=2", "stages.self-questioning.trained.vision_tower.lora.dropout=0.3"]


def command(root: Path, out: Path) -> list[str]:
    settings = [*SETTINGS, f"data={root}"]
    options = [x for setting in settings for x in ("--set", setting)]
    return [sys.executable, "-m", "sqllava", "train", "mini", "--out", str(out), "--resume", "auto", *options]


def start(
    root: Path, out: Path, *, at_step: int | None = None, kill: str = "SIGKILL"
) -> subprocess.CompletedProcess[str]:
    """The command; with `at_step` it gets a signal as soon as the journal has that many lines."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command(root, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    journal = out / "train.jsonl"
    while at_step is not None and process.poll() is None:
        if journal.is_file() and journal.read_bytes().count(b"\n") >= at_step:
            process.send_signal(signal.Signals[kill])
            break
        time.sleep(0.002)
    output, errors = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


@pytest.fixture(scope="module")
def uninterrupted(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    done = start(root, out)
    assert done.returncode == 0, done.stderr
    return out


def entries(out: Path) -> list[dict[str, object]]:
    """The journal without what depends on the clock."""
    clock = {"seconds", "tokens_per_second", "images_per_second", "memory_gb"}
    lines = [json.loads(line) for line in (out / "train.jsonl").read_text("utf-8").splitlines()]
    return [{k: v for k, v in line.items() if k not in clock} for line in lines]


def assert_same(out: Path, whole: Path) -> None:
    found, expected = load_file(out / "model.safetensors"), load_file(whole / "model.safetensors")
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert entries(out) == entries(whole)


@pytest.mark.parametrize("at_step", [22, *(pytest.param(step, marks=pytest.mark.slow) for step in (1, 13, 33))])
def test_a_killed_run_continues_bit_for_bit(root: Path, uninterrupted: Path, tmp_path: Path, at_step: int) -> None:
    out = tmp_path / "out"
    killed = start(root, out, at_step=at_step)
    assert killed.returncode == -signal.SIGKILL
    assert not (out / "config.json").exists()
    done = start(root, out)
    assert done.returncode == 0, done.stderr
    assert_same(out, uninterrupted)
    assert not list(out.rglob(".*tmp"))


def test_sigterm_saves_and_says_how_to_go_on(root: Path, uninterrupted: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    stopped = start(root, out, at_step=30, kill="SIGTERM")
    assert stopped.returncode == 143
    assert "--resume auto" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    done_before = entries(out)
    (saved,) = {folder.name for folder in (out / "checkpoints").iterdir()} & {
        f"self-questioning-{done_before[-1]['step']:07d}"
    }
    assert saved  # the very step at which it stopped, though save_every may not have been due
    assert start(root, out).returncode == 0
    assert_same(out, uninterrupted)


@pytest.mark.slow
def test_killed_again_and_again(root: Path, uninterrupted: Path, tmp_path: Path) -> None:
    """Kills at random moments, between steps as much as inside a save, until the run is through."""
    draw = random.Random(0)
    for attempt in range(3):
        out = tmp_path / str(attempt)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        for _ in range(30):
            process = subprocess.Popen(
                command(root, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
            )
            try:
                process.wait(timeout=draw.uniform(4, 9))
            except subprocess.TimeoutExpired:
                process.kill()
            process.communicate()
            if process.returncode == 0:
                break
        assert process.returncode == 0
        assert_same(out, uninterrupted)


class Killed(BaseException):
    """Stands for a SIGKILL at a chosen file event."""


class Renames:
    """Counts the renames that publish files and folders, and stops the program at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen, self.stop = 0, 0
        for name in ("rename", "replace"):
            monkeypatch.setattr(os, name, self._counting(getattr(os, name)))

    def _counting(self, original: Callable[..., None]) -> Callable[..., None]:
        def counted(*arguments: object) -> None:
            self.seen += 1
            if self.seen == self.stop:
                raise Killed
            original(*arguments)

        return counted


@pytest.mark.slow
def test_a_kill_at_any_file_event_is_survived(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each rename everything is as it was; after it, as it will be."""
    plan = small_recipe(*steps(2), "save_every=1", "stages.tower.steps=1")
    renames = Renames(monkeypatch)
    train(plan, root, tmp_path / "whole", quiet=True)
    events = renames.seen
    assert events >= 15
    for stop in range(1, events + 1):
        renames.seen, renames.stop = 0, stop
        with pytest.raises(Killed):
            train(plan, root, tmp_path / "out", quiet=True)
        renames.stop = 0
        train(plan, root, tmp_path / "out", resume=True, quiet=True)
        assert_same(tmp_path / "out", tmp_path / "whole")
        shutil.rmtree(tmp_path / "out")


def test_a_run_of_another_recipe_is_not_continued(root: Path, tmp_path: Path) -> None:
    train(small_recipe(*steps(1)), root, tmp_path / "out", quiet=True)
    with pytest.raises(SqLlavaError, match=r"another recipe .*seed, stages"):
        train(small_recipe(*steps(2), "seed=4"), root, tmp_path / "out", resume=True, quiet=True)


HOLDER = """
import os, sys, time
from pathlib import Path
from sqllava.training.hold import held
with held(Path(sys.argv[1])):
    if child := os.fork():
        print(child, flush=True)
    time.sleep(60)
"""
"""Holds a folder, with a child as a data worker is one, and prints the child's number."""


def test_two_do_not_train_into_one_folder(root: Path, tmp_path: Path) -> None:
    """As when a launcher died and left its processes at work; data workers, which outlive a kill, hold nothing."""
    out = tmp_path / "out"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(out)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    worker = int(holder.stdout.readline())
    try:
        with pytest.raises(SqLlavaError, match="another process is training into it"):
            train(small_recipe(*steps(1)), root, out, quiet=True)
        holder.kill()
        holder.wait()
        train(small_recipe(*steps(1)), root, out, quiet=True)
        assert not (out / ".lock").exists()
    finally:
        holder.kill()
        os.kill(worker, signal.SIGKILL)


def test_a_finished_run_is_left_alone(root: Path, tmp_path: Path) -> None:
    plan = small_recipe(*steps(1))
    train(plan, root, tmp_path / "out", quiet=True)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*.safetensors")}
    train(plan, root, tmp_path / "out", resume=True, quiet=True)
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*.safetensors")}


@pytest.mark.slow
def test_a_foreign_folder_and_a_damaged_checkpoint_are_named(root: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(SqLlavaError, match="not empty and holds no training run"):
        train(small_recipe(), root, tmp_path / "full", resume=True)
    out = tmp_path / "out"
    whole = start(root, out, at_step=24)
    assert whole.returncode == -signal.SIGKILL
    newest = max((out / "checkpoints").iterdir())
    weights = newest / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    again = start(root, out)
    assert again.returncode == 2
    assert str(newest) in again.stderr
    assert "Traceback" not in again.stderr
    shutil.rmtree(newest)
    assert start(root, out).returncode == 0
