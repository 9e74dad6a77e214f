"""What is written: all of it or nothing, in shards, with its origin, and in memory that does not depend on its size."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import release_layouts as release
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

import sqllava
from sqllava.conversion.convert import convert, write
from sqllava.conversion.gather import plan_conversion
from sqllava.conversion.plan import Target
from sqllava.conversion.shards import write_model
from sqllava.conversion.weights import Stored
from sqllava.errors import CheckpointError


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[Path, Path, Path]:
    """SRC, base and vision tower."""
    parts = release.random_parts()
    return (
        release.write_stage2(tmp_path / "src", parts),
        release.write_base(tmp_path / "base", parts),
        release.write_tower(tmp_path / "tower", parts),
    )


PARTLY = """
import sys
from pathlib import Path
from sqllava.conversion.convert import write
from sqllava.conversion.gather import plan_conversion

def stop(what, done, total):
    if what == sys.argv[5]:
        print("here", flush=True)
        sys.stdin.read()

src, base, tower, out = map(Path, sys.argv[1:5])
write(plan_conversion(src, base, tower), out, keep_lora=sys.argv[6] == "keep", progress=stop, shard_bytes=20000)
"""


@pytest.mark.parametrize(("moment", "adapters"), [("writing weights", "merge"), ("hashing sources", "keep")])
def test_a_killed_conversion_leaves_no_output(
    tmp_path: Path, arguments: tuple[Path, Path, Path], moment: str, adapters: str
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", PARTLY, *map(str, arguments), str(out), moment, adapters]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    assert [path.name.rpartition("-")[0] for path in tmp_path.glob("out*")] == ["out.tmp"]
    convert(arguments[0], out, base=arguments[1], vision_tower=arguments[2])
    sqllava.load(out, device="cpu")


def test_an_interrupted_conversion_cleans_up(tmp_path: Path, arguments: tuple[Path, Path, Path]) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(arguments[0], tmp_path / "out", base=arguments[1], vision_tower=arguments[2], progress=interrupt)
    assert not list(tmp_path.glob("out*"))


def test_an_output_that_holds_something_is_not_touched(tmp_path: Path, arguments: tuple[Path, Path, Path]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    convert(arguments[0], out, base=arguments[1], vision_tower=arguments[2])
    before = {file: file.stat().st_mtime_ns for file in out.iterdir()}
    with pytest.raises(CheckpointError, match="is not an empty folder"):
        convert(arguments[0], out, base=arguments[1], vision_tower=arguments[2])
    assert {file: file.stat().st_mtime_ns for file in out.iterdir()} == before
    with pytest.raises(CheckpointError, match="is not an empty folder"):
        convert(arguments[0], out / "config.json", base=arguments[1], vision_tower=arguments[2])


def test_a_disk_that_is_too_small_is_said_before_writing(
    tmp_path: Path, arguments: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("sqllava.conversion.output.shutil.disk_usage", lambda path: Usage)
    with pytest.raises(CheckpointError, match="its disk has"):
        convert(arguments[0], tmp_path / "out", base=arguments[1], vision_tower=arguments[2])
    assert not list(tmp_path.glob("out*"))


def test_small_shards_hold_the_same_model(tmp_path: Path, arguments: tuple[Path, Path, Path]) -> None:
    src, base, tower = arguments
    whole = convert(src, tmp_path / "whole", base=base, vision_tower=tower)
    split = write(plan_conversion(src, base, tower), tmp_path / "split", shard_bytes=50_000)
    files = sorted(split.glob("*.safetensors"))
    assert len(files) > 2
    assert all(file.stat().st_size < 60_000 or len(load_file(file)) == 1 for file in files)
    one, other = (sqllava.load(folder, device="cpu")[0].state_dict() for folder in (whole, split))
    assert one.keys() == other.keys()
    assert all(one[name].equal(other[name]) for name in one)


@given(
    st.lists(st.tuples(st.sampled_from([torch.float32, torch.float16, torch.bfloat16]), st.integers(0, 7)), min_size=1),
    st.integers(1, 60),
)
def test_files_are_what_safetensors_reads(tensors: list[tuple[torch.dtype, int]], limit: int) -> None:
    """Mixed types, odd and empty sizes, any limit of a shard."""
    values = {f"t{i}": torch.arange(count).to(dtype) for i, (dtype, count) in enumerate(tensors)}
    planned = [
        Target(name, Stored(Path(), name, tuple(value.shape), value.dtype), tuple(value.shape), value.dtype)
        for name, value in values.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), planned, lambda target: values[target.name], limit)
        files = sorted(Path(folder).glob("*.safetensors"))
        found = {name: (value, file.name) for file in files for name, value in load_file(file).items()}
        assert {name: value.dtype for name, (value, _) in found.items()} == {n: v.dtype for n, v in values.items()}
        assert all(value.equal(values[name]) for name, (value, _) in found.items())
        if len(files) > 1:
            index = json.loads((Path(folder) / "model.safetensors.index.json").read_text())
            assert index["weight_map"] == {name: file for name, (_, file) in found.items()}
            assert index["metadata"]["total_size"] == sum(value.nbytes for value in values.values())


@pytest.mark.parametrize("keep", [False, True])
def test_provenance(tmp_path: Path, arguments: tuple[Path, Path, Path], keep: bool) -> None:
    src, base, tower = arguments
    out = convert(src, tmp_path / "out", base=base, vision_tower=tower, keep_lora=keep)
    text = (out / "provenance.json").read_text()
    assert str(tmp_path) not in text
    facts = json.loads(text)
    assert facts["layout"] == "release-lora"
    assert {role: source["name"] for role, source in facts["sources"].items()} == {
        "checkpoint": "src",
        "vision tower": "tower",
        "base model": "base",
    }
    weights = facts["sources"]["checkpoint"]["sha256"]
    read = ("adapter_model.bin", "non_lora_trainables.bin", "Vit-lora/adapter_model.bin", "adapter_config.json")
    for name in (*read, "config.json"):
        assert weights[name] == hashlib.sha256((src / name).read_bytes()).hexdigest()
    adapter = facts["adapters"]["vision tower"]
    assert (adapter["r"], adapter["lora_alpha"], adapter["layers"], adapter["merged"]) == (2, 6, 18, not keep)
    assert facts["trained_on"]["base"] == "lmsys/vicuna-7b-v1.5"
    for file in out.rglob("*.json"):
        assert str(tmp_path) not in file.read_text(), file


MEASURED = """
import sys
from pathlib import Path
from sqllava.conversion.convert import write
from sqllava.conversion.gather import plan_conversion

src, tower, out = map(Path, sys.argv[1:4])
write(plan_conversion(src, None, tower), out, shard_bytes=200_000_000)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def write_wide(folder: Path, kind: str, layers: int) -> tuple[Path, Path]:
    """A full checkpoint of 75 MB a layer, and its tower."""
    sizes = {**release.TEXT, "hidden_size": 2048, "intermediate_size": 4096, "num_hidden_layers": layers}
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in LlamaForCausalLM(LlamaConfig(**sizes)).state_dict().items()}
    parts = release.random_parts("mlp2x_gelu", lora=False)
    parts.language = {name: torch.full(shape, 0.5, dtype=torch.float16) for name, shape in shapes.items()}
    wide = {"0.weight": (2048, 32), "0.bias": (2048,), "2.weight": (2048, 2048), "2.bias": (2048,)}
    parts.projector = {name: torch.ones(shape) for name, shape in wide.items()}
    parts.dtype = torch.float16
    src = release.write_full(folder / "src", parts, kind)
    (src / "config.json").write_text(json.dumps(release.release_config(parts, **sizes)))
    return src, release.write_tower(folder / "tower", parts)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize("kind", ["bin", "safetensors"])
def test_memory_does_not_grow_with_the_model(tmp_path: Path, kind: str) -> None:
    """Peak of a whole process: 0.2 GB of weights, and 1 GB of them in one file."""
    peaks = []
    for layers in (2, 13):
        folder = tmp_path / str(layers)
        src, tower = write_wide(folder, kind, layers)
        command = [sys.executable, "-c", MEASURED, str(src), str(tower), str(folder / "out")]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        result = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        peaks.append(int(result.stdout) / 1e6)
    small, large = peaks
    assert large - small < 0.35, peaks  # GB; mapped files stay open for a quarter of one
