"""Checkpoints by hub id: from a cache without network, and from a server that speaks the hub's protocol."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hub_server
import pytest

from sqllava.hub import is_hub_name

TRAINING = ("training_args.bin", "optimizer.pt", "checkpoint-10/model.safetensors", "README.md", "tf_model.h5")


def call(statement: str, home: Path, **environment: str) -> str:
    """Output of a statement after ``from sqllava.hub import fetch``, or its CheckpointError, in a process of its own.

    The hub's client reads the environment once, when it is imported.
    """
    code = (
        "from sqllava import CheckpointError, load\nfrom sqllava.hub import fetch\n"
        f"try:\n    {statement}\nexcept CheckpointError as error:\n    print('ERROR', error)\n"
    )
    own = {"HF_HOME": str(home), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "127.0.0.1"}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **own, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def home(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A hub cache, laid out as the hub's client does, with the tiny checkpoint as ``org/tiny`` and nothing else."""
    repository = tmp_path / "home" / "hub" / "models--org--tiny"
    shutil.copytree(tiny_checkpoint, repository / "snapshots" / ("b" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("b" * 40)
    return tmp_path / "home"


@pytest.fixture
def hub(tiny_checkpoint: Path, tmp_path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """Files of ``org/model``, the address of a hub that serves them, and what was fetched from it."""
    files = Path(shutil.copytree(tiny_checkpoint, tmp_path / "served"))
    for name in (*TRAINING, "pytorch_model.bin", "Vit-lora/adapter_model.bin"):
        (files / name).parent.mkdir(exist_ok=True)
        (files / name).write_bytes(b"nothing")
    with hub_server.serving(files) as (address, fetched):
        yield files, address, fetched


def test_what_could_be_a_hub_id() -> None:
    assert all(map(is_hub_name, ("org/name", "ZachSun/sqllava-lora-7b", "o/n@v1.0", "o/n@refs/pr/1")))
    assert not any(map(is_hub_name, ("name", "a/b/c", "./a", "../a", "/a/b", "a b/c", "a/b@", "~/a")))


def test_the_cache_is_enough(home: Path) -> None:
    snapshot = str(home / "hub" / "models--org--tiny" / "snapshots" / ("b" * 40))
    names = ["org/tiny", "org/tiny@main", "org/tiny@" + "b" * 40]
    asked = f"print(*map(fetch, {names}), load('org/tiny', device='cpu')[1].image_seq_length)"
    assert call(asked, home, HF_HUB_OFFLINE="1").split() == [snapshot] * 3 + ["9"]


@pytest.mark.parametrize(("name", "revision"), [("org/gone", ""), ("org/tiny", "v2")])
def test_offline_and_not_cached(name: str, revision: str, home: Path) -> None:
    asked = f"{name}@{revision}" if revision else name
    shown = call(f"load({asked!r})", home, HF_HUB_OFFLINE="1")
    assert shown.startswith("ERROR")
    assert name in shown
    assert "no such folder, HF_HUB_OFFLINE is set" in shown
    assert shown.endswith(f"run: hf download {name}" + (f" --revision {revision}" if revision else ""))


def test_no_network(home: Path) -> None:
    address = "http://127.0.0.1:9"  # nothing listens
    assert "hub cannot be reached (ConnectError)" in call("fetch('org/gone')", home, HF_ENDPOINT=address)
    assert call("print(fetch('org/tiny'))", home, HF_ENDPOINT=address).endswith("b" * 40)


def test_only_what_a_checkpoint_needs_is_downloaded(hub: tuple[Path, str, list[str]], tmp_path: Path) -> None:
    files, address, fetched = hub
    folder = Path(call("print(fetch('org/model'))", tmp_path, HF_ENDPOINT=address))
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"config.json", "model.safetensors", "processor_config.json", "tokenizer.json"} <= found
    assert not found & {*TRAINING, "pytorch_model.bin"}
    assert sorted(fetched) == sorted(found)
    assert call("print(load('org/model', device='cpu')[1].image_seq_length)", tmp_path, HF_HUB_OFFLINE="1") == "9"
    assert (folder / "model.safetensors").read_bytes() == (files / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_pickled_weights_are_downloaded_where_there_is_no_whole_safetensors_model(
    hub: tuple[Path, str, list[str]], tmp_path: Path
) -> None:
    files, address, _ = hub
    (files / "model.safetensors").rename(files / "adapter_model.safetensors")
    folder = Path(call("print(fetch('org/model'))", tmp_path, HF_ENDPOINT=address))
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"adapter_model.safetensors", "pytorch_model.bin", "Vit-lora/adapter_model.bin"} <= found
    assert not found & set(TRAINING)
    (folder / "pytorch_model.bin").unlink()  # an interrupted download
    shown = call("fetch('org/model')", tmp_path, HF_HUB_OFFLINE="1")
    assert "does not hold all its files" in shown
    assert "hf download org/model" in shown


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("org/private", "not found, neither as a folder here nor on the hub"),
        ("org/gone", "not found, neither as a folder here nor on the hub"),
        ("org/gated", "access is gated"),
        ("org/model@v9", "at revision 'v9': the repository has no such branch, tag or commit"),
        ("org/broken", "does not hold all its files"),
        ("org/-bad..name", "is no hub id"),
    ],
)
def test_what_the_hub_refuses_is_one_message(
    name: str, words: str, hub: tuple[Path, str, list[str]], tmp_path: Path
) -> None:
    shown = call(f"fetch({name!r})", tmp_path, HF_ENDPOINT=hub[1])
    assert shown.startswith("ERROR hub checkpoint")
    assert words in shown
    assert len(shown.splitlines()) == 1
