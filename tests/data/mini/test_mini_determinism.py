"""The suite is the same bytes on every machine: pinned hashes, and builds that no hash seed or clock changes.

If a change of the generator is meant, raise `MINI_VERSION` and put the new hashes here.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sqeval.data.mini.cache import ensure_mini
from sqeval.data.mini.training import build_training

EVALUATION = "2742b0721eda7edd53672f37610fc6510be247bc83e10606d555c6918b602806"
TRAINING_200 = "c44ce48ad4901488f5950f224373f0a3c08e4dc3f8f8d4c5084ea402def45f17"
BUILD = "import sys, pathlib; from sqeval.data.mini.build import build_evaluation as b; b(pathlib.Path(sys.argv[1]))"


def tree_hash(root: Path) -> str:
    """SHA-256 over the names and bytes of all files."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*"), key=lambda p: p.relative_to(root).as_posix()):
        if path.is_file():
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def test_evaluation_root_is_pinned(mini_root: Path) -> None:
    assert tree_hash(mini_root) == EVALUATION


def test_training_root_is_pinned(tmp_path: Path) -> None:
    build_training(tmp_path, scenes=200)
    assert tree_hash(tmp_path) == TRAINING_200


def test_another_process_with_another_hash_seed_builds_the_same(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "TZ": "Asia/Kathmandu", "LC_ALL": "C"}
    subprocess.run([sys.executable, "-c", BUILD, str(tmp_path)], check=True, env=environment)
    assert tree_hash(tmp_path) == EVALUATION


def test_the_root_says_what_it_is(mini_root: Path) -> None:
    text = (mini_root / "README.md").read_text()
    for word in ("Synthetic", "no real model", "Licence", "version"):
        assert word in text


def test_the_cache_builds_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQEVAL_CACHE", str(tmp_path))
    root = ensure_mini()
    assert tree_hash(root) == EVALUATION
    stamp = root.stat().st_mtime_ns
    assert ensure_mini() == root
    assert root.stat().st_mtime_ns == stamp
    assert [path.name for path in tmp_path.iterdir()] == [root.name]
