"""Keys of a judge and of the hub are in no file, no output and no list of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from judge_server import Wish, judging
from judged_data import write_judged_plugins, write_mmvet

KEY, TOKEN, GIVEN = "sk-PLANTEDjudgekey0123456789", "hf_PLANTEDhubtoken0123456789", "PLANTEDsetting0123456789"
PLANTED = b"PLANTED"
MAIN = "from sqeval.cli.app import main; main()"


def told_in_processes() -> list[int]:
    """Processes whose command line, which everybody may read, has one of the keys from the environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes()
        except OSError:  # it has ended
            continue
        if KEY.encode() in line or TOKEN.encode() in line:
            found.append(int(place.parent.name))
    return found


@pytest.mark.parametrize("refused", [False, True])
def test_no_planted_key_is_found_again(refused: bool, tmp_path: Path) -> None:
    seen: list[int] = []

    def reply(question: dict[str, Any], number: int) -> Wish:
        seen.extend(told_in_processes())
        return (401, f"Incorrect API key provided: {KEY}") if refused else "0.5"

    write_mmvet(tmp_path / "data")
    site = write_judged_plugins(tmp_path / "site")
    with judging(reply) as court:
        environment = {
            **os.environ, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": court.url, "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "1",
            "SQEVAL_CACHE": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join([str(site), *sys.path]),
        }  # fmt: skip

        def sqeval(*words: str) -> subprocess.CompletedProcess[bytes]:
            command = [sys.executable, "-c", MAIN, *words]
            return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)

        run = ("run", "--tasks", "mmvet", "--model", "majority", "--data", "data")
        told = [
            sqeval(*run, "--judge", "gpt", "--name", "it"),
            sqeval(*run, "--model-args", f"api_key={GIVEN}", "--name", "given"),
            sqeval("report", "results/it", "-o", "it.html"),
            sqeval("leaderboard", "results", "--format", "json"),
        ]  # fmt: skip
        assert court.keys
        assert set(court.keys) == {f"Bearer {KEY}"}  # so that there was something to leak
    assert told[0].returncode == (5 if refused else 0), told[0].stderr
    for each in told:
        assert PLANTED not in each.stdout + each.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "run.json" for path in files)
    assert not [path for path in files if PLANTED in path.read_bytes()]
    assert not seen
