"""`sqllava convert` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
import release_layouts as release

import sqllava
from sqllava.cli.app import main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Exit code, stdout and stderr of a command line."""

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["sqllava", "convert", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return command


def test_what_was_found_is_told_and_the_output_named(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    parts = release.random_parts()
    src, out = release.write_stage2(tmp_path / "src", parts), tmp_path / "out"
    base, tower = (
        release.write_base(tmp_path / "base", parts),
        release.write_tower(tmp_path / "tower", parts, whole=True),
    )
    options = ("--base", base, "--vision-tower", tower, "--out", out, "--dtype", "bfloat16")
    code, told, found = run(src, *options)
    assert code == 0, found
    assert told == f"{out}\n"
    for fact in (
        "LoRA checkpoint in the release's layout (stage 2)",
        "rank 4, alpha 8, 14 layers",
        "rank 2, alpha 6, 18 layers",
        f"{tower}: 55 tensors of 1 file, 6 not needed",
        "301 tokens, 320 rows",
    ):
        assert fact in found
    sqllava.load(out, device="cpu")

    again = run(src, *options)
    assert again == (2, "", f"sqllava: {out}: exists and is not an empty folder; choose another --out\n")


def test_adapters_are_kept_on_request(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    parts = release.random_parts()
    src, out = release.write_stage2(tmp_path / "src", parts), tmp_path / "out"
    base, tower = release.write_base(tmp_path / "base", parts), release.write_tower(tmp_path / "tower", parts)
    code, _, found = run(src, "--base", base, "--vision-tower", tower, "--out", out, "--keep-lora")
    assert code == 0, found
    assert {path.name for path in out.iterdir()} >= {"adapter_config.json", "adapter_model.safetensors", "base"}


def test_faults_are_one_line(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    src = release.write_stage2(tmp_path / "src", release.random_parts())
    told = f"sqllava: {src}: holds no language model; give --base lmsys/vicuna-7b-v1.5 (a folder or a hub id)\n"
    assert run(src, "--out", tmp_path / "out") == (2, "", told)
