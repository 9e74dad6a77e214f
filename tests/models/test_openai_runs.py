"""Whole runs of a served model: resumed, refused, and without a trace of the key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chat_server import Fault, serving

KEY = "sk-a-key-that-nobody-may-see"
RUN = (
    "run",
    "--tasks",
    "pope",
    "--data",
    "mini",
    "--limit",
    "6",
    "--model",
    "openai",
    "--ckpt",
    "eye",
    "--name",
    "run",
)


def sqeval(folder: Path, url: str, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY, "OPENAI_LOG": "debug"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-c", "from sqeval.cli.app import main; main()", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def traces(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]


def test_a_run_that_stops_goes_on_and_keeps_the_key_to_itself(tmp_path: Path) -> None:
    broken = True

    def replying(question: dict[str, Any], number: int) -> str | Fault:
        return Fault(401, f"Incorrect API key provided: {KEY}") if broken and number >= 3 else "Yes"

    with serving(replying) as server:
        first = sqeval(tmp_path, server.url, *RUN, "--model-args", "concurrency=1,price_in=1")
        assert first.returncode == 2
        assert "HTTP 401" in first.stderr
        assert "set OPENAI_API_KEY" in first.stderr
        assert "Traceback" not in first.stderr
        kept = (tmp_path / "results" / "run" / "pope" / "samples.jsonl").read_text("utf-8").splitlines()
        assert len(kept) == 3
        broken, before = False, len(server.asked)
        second = sqeval(tmp_path, server.url, *RUN, "--model-args", "concurrency=1,price_in=1")
        assert second.returncode == 0, second.stderr
        assert "MB to send" in second.stderr
        samples = (tmp_path / "results" / "run" / "pope" / "samples.jsonl").read_text("utf-8").splitlines()
        assert len(server.asked) - before == len(samples) - 3 > 0
        assert {json.loads(line)["response"] for line in samples} == {"Yes"}
    run = json.loads((tmp_path / "results" / "run" / "run.json").read_text("utf-8"))
    assert (run["identity"]["kind"], run["identity"]["checkpoint"]) == ("openai", "eye")
    assert run["throughput"]["notes"] == ["the server says that it is eye-2026-01"]
    assert not traces(tmp_path)
    assert all(KEY not in done.stdout + done.stderr for done in (first, second))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model-args", f"key={KEY}"), "--model-args key: a command line is no place for secrets"),
        (("--model-args", f"api_key={KEY}"), "put it into the environment, as OPENAI_API_KEY"),
        (("--model-args", "concurrency=0"), "--model-args concurrency=0: input should be greater than or equal to 1"),
        (("--model-args", "detail=fine"), "--model-args detail=fine: input should be 'low', 'high' or 'auto'"),
        (("--model-args", "rmp=5"), "no setting rmp; did you mean 'rpm'"),
    ],
)
def test_bad_settings_are_one_message(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    done = sqeval(tmp_path, "http://127.0.0.1:9/v1", *RUN, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert KEY not in done.stderr
    assert "Traceback" not in done.stderr
    assert not traces(tmp_path)


def test_without_an_address_the_key_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "KEY", "")
    done = sqeval(tmp_path, "", *RUN)
    assert done.returncode == 2
    assert "--model openai --ckpt eye: set OPENAI_API_KEY, or OPENAI_BASE_URL" in done.stderr


def test_without_the_client_one_message_says_how_to_get_it(tmp_path: Path) -> None:
    """An environment in which nothing called `openai` can be found."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import sys\nsys.modules['openai'] = None\n", "utf-8")
    done = sqeval(tmp_path, "http://127.0.0.1:9/v1", *RUN, path=str(tmp_path / "site"))
    assert done.returncode == 2
    assert "--model openai needs the client of that name" in done.stderr
    assert "pip install 'sqeval[openai]'" in done.stderr
    assert "Traceback" not in done.stderr
