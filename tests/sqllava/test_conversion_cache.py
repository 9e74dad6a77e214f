"""Releases converted on the way: once, by content, by one process, whatever happens to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import release_layouts as release
import torch

from sqllava import CheckpointError, checkpoint_hash, load
from sqllava.conversion.convert import convert
from sqllava.conversion_cache import convert_once, prepare
from sqllava.digests import Digests


class Release(NamedTuple):
    """Folders of a stage 2 release."""

    source: Path
    base: Path
    tower: Path


@pytest.fixture
def stage2(tmp_path: Path) -> Release:
    parts = release.random_parts()
    return Release(
        release.write_stage2(tmp_path / "release", parts),
        release.write_base(tmp_path / "vicuna", parts),
        release.write_tower(tmp_path / "clip", parts),
    )


def once(stage2: Release, cache: Path, notes: list[str] | None = None) -> Path:
    return convert_once(*stage2, cache, (lambda line: None) if notes is None else notes.append)[0]


def test_converted_once_and_as_convert_does(stage2: Release, tmp_path: Path) -> None:
    notes: list[str] = []
    cache = tmp_path / "cache"
    folder = once(stage2, cache, notes)
    assert "converting" in notes[0]
    made = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    notes.clear()
    assert once(stage2, cache, notes) == folder
    assert notes == [f"converted checkpoint: {folder}"]
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == made
    by_hand = convert(stage2.source, tmp_path / "out", base=stage2.base, vision_tower=stage2.tower)
    assert checkpoint_hash(folder) == checkpoint_hash(by_hand)
    assert [path.name for path in (cache / "checkpoints").iterdir() if not path.name.startswith(".")] == [folder.name]


def test_the_content_decides_not_the_place(stage2: Release, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    folder = once(stage2, cache)
    (tmp_path / "moved").mkdir()
    moved = Release(*(Path(shutil.copytree(path, tmp_path / "moved" / path.name)) for path in stage2))
    assert once(moved, cache) == folder
    other = release.random_parts(seed=1)
    release.write_weights(stage2.base, other.language, "pytorch_model")  # same names, same sizes
    assert once(stage2, cache) != folder
    assert once(moved, cache) == folder
    release.write_tower(stage2.tower, other)
    third = once(stage2, cache)
    settings = release.lora_settings(release.LLM_RANK, 16, release.LLM_MODULES)
    (stage2.source / "adapter_config.json").write_text(json.dumps(settings))
    assert len({folder, third, once(stage2, cache)}) == 3


def test_files_are_not_read_again_unless_they_changed(tmp_path: Path) -> None:
    file, memory = tmp_path / "weights.bin", tmp_path / "digests.json"
    file.write_bytes(b"one")
    digests = Digests(memory)
    assert not digests.knows(file)
    first = digests.of(file)
    digests.save()
    stat = file.stat()
    file.write_bytes(b"two")  # unseen: same size, and the time put back
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again = Digests(memory)
    assert again.knows(file)
    assert again.of(file) == first
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert not again.knows(file)
    assert again.of(file) != first
    memory.write_text('{"torn')
    assert Digests(memory).of(file) == again.of(file)


PROGRAM = """
import sys
from pathlib import Path
from sqllava.conversion_cache import convert_once
print("ready", flush=True)
sys.stdin.readline()
print(convert_once(*map(Path, sys.argv[1:]), note=lambda line: print(line, file=sys.stderr, flush=True))[0])
"""


def start(stage2: Release, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, *map(str, stage2), str(cache)]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, text=True, **pipes)


@pytest.mark.slow
def test_two_processes_at_once_end_with_one_good_folder(stage2: Release, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    processes = [start(stage2, cache), start(stage2, cache)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    (folder,) = {Path(out.strip()) for out, _ in ends}
    assert sum("converting" in told and " once" in told for _, told in ends) == 1
    load(folder, device="cpu")
    assert [path for path in (cache / "checkpoints").iterdir() if not path.name.startswith(".")] == [folder]


def test_a_killed_conversion_leaves_nothing_that_is_taken_for_a_checkpoint(stage2: Release, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    process = start(stage2, cache)
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    while process.poll() is None and not list(cache.glob("checkpoints/*.tmp-*/*")):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    folder = once(stage2, cache)
    load(folder, device="cpu")
    assert [path for path in (cache / "checkpoints").iterdir() if not path.name.startswith(".")] == [folder]


def test_prepare_says_where_it_came_from(stage2: Release, tmp_path: Path) -> None:
    ready = prepare(str(stage2.source), base=str(stage2.base), vision_tower=str(stage2.tower), cache=tmp_path / "cache")
    assert ready.origin["base"] == str(stage2.base)
    assert ready.origin["converted"] == str(ready.checkpoint)
    assert set(ready.origin["sources"]) == {"checkpoint", "base model", "vision tower"}
    assert ready.base is None
    with pytest.raises(CheckpointError, match=r"is a whole model; leave out the base"):
        prepare(str(ready.checkpoint), base=str(stage2.base), vision_tower=None, cache=tmp_path)
    with pytest.raises(CheckpointError, match=r"leave out --vision-tower"):
        prepare(str(ready.checkpoint), base=None, vision_tower=str(stage2.tower), cache=tmp_path)


def test_what_a_release_lacks_is_told_before_anything_is_read(stage2: Release, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(CheckpointError, match=r"give --base lmsys/vicuna-7b-v1\.5"):
        prepare(str(stage2.source), base=None, vision_tower=str(stage2.tower), cache=cache)
    with pytest.raises(CheckpointError, match=r"give --vision-tower openai/clip-vit-large-patch14-336"):
        prepare(str(stage2.source), base=str(stage2.base), vision_tower=None, cache=cache)
    with pytest.raises(CheckpointError, match="no such folder"):
        prepare(str(stage2.source), base="nowhere", vision_tower=None, cache=cache)
    assert not cache.exists()


def test_a_release_that_is_loaded_directly_names_the_next_step(stage2: Release, tmp_path: Path) -> None:
    for use in (load, checkpoint_hash):
        with pytest.raises(CheckpointError) as caught:
            use(stage2.source)
        assert f"sqllava convert {stage2.source} --base BASE --vision-tower TOWER --out OUT" in str(caught.value)
    full = release.write_full(tmp_path / "full", release.random_parts(), tower=True)
    with pytest.raises(CheckpointError, match=r"run `sqllava convert \S+full --out OUT`"):
        load(full)


def test_an_unwritable_cache_names_the_way_out(stage2: Release, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(CheckpointError, match="SQEVAL_CACHE"):
        once(stage2, tmp_path / "cache")


def test_kept_adapters_load_as_the_merged_checkpoint(stage2: Release, tmp_path: Path) -> None:
    """What ``sqllava convert --keep-lora`` writes is an adapter folder of ours."""
    kept = convert(stage2.source, tmp_path / "kept", base=stage2.base, vision_tower=stage2.tower, keep_lora=True)
    merged, _ = load(once(stage2, tmp_path / "cache"), device="cpu")
    found, _ = load(kept, device="cpu")
    assert found.state_dict().keys() == merged.state_dict().keys()
    for name, value in merged.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, rtol=0, atol=1e-6)
