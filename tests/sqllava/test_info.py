"""What `sqllava info` tells, against what torch counts, for every layout and without reading a tensor."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import release_layouts as release
import tiny_adapter
import tiny_sqllava as tiny
import torch

from sqllava import CheckpointError
from sqllava.adapters import WEIGHTS
from sqllava.conversion.convert import convert
from sqllava.info import Info, inspect
from sqllava.locate import packaged


def counts(info: Info) -> dict[str, int | None]:
    return {name: part.parameters for name, part in info.parts.items()}


def trained(info: Info) -> dict[str, str | None]:
    return {name: part.trained for name, part in info.parts.items()}


def truth() -> dict[str, int]:
    """Parameters of the tiny model's parts as torch has them."""
    model = tiny.model()
    projector = model.model.multi_modal_projector
    parts = {
        "vision tower": [model.model.vision_tower],
        "prototype extractor": [projector.c, projector.v, projector.f, projector.ln_1],
        "projector layers": [projector.mlp],
        "language model": [model.model.language_model, model.lm_head],
    }
    found = {name: sum(p.numel() for m in modules for p in m.parameters()) for name, modules in parts.items()}
    found["prototype extractor"] += 2  # sim_alpha, sim_beta
    return found


def test_a_whole_checkpoint(tiny_checkpoint: Path) -> None:
    info = inspect(tiny_checkpoint)
    assert counts(info) == truth()
    assert list(info.parts) == ["vision tower", "prototype extractor", "projector layers", "language model"]
    assert info.parameters == sum(p.numel() for p in tiny.model().parameters())
    assert info.dtypes == {"F32": len(list(tiny.model().parameters()))}
    assert (info.kind, info.template, info.sees_images) == ("sqllava", "v1", True)
    assert info.projector == "cluster: 5 prototypes, 2 iterations"
    assert info.image == "pad to 24 pixels, patches of 8, 9 tokens"
    assert info.bytes == (tiny_checkpoint / "model.safetensors").stat().st_size
    assert set(trained(info).values()) == {None}
    assert (info.base, info.provenance) == (None, {})


@pytest.mark.parametrize("name", packaged())
def test_packaged_checkpoints_name_their_recipe(name: str) -> None:
    info = inspect(name)
    assert info.provenance["recipe"] == "mini"
    assert info.sees_images == ("blind" not in name)
    found = trained(info)
    assert found.pop("vision tower") == "in full, then LoRA r 16, alpha 32"
    assert set(found.values()) == {"in full"}


def test_a_recipe_tells_how_each_part_was_trained(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    stages = [
        {"trained": {"projector": {"learning_rate": 1e-3}, "vision_tower": {"lora": {"r": 64, "alpha": 128.0}}}},
        {"trained": {"projector": {"lora": None}, "language_model": {"lora": {"r": 128, "alpha": 256}}}},
    ]
    (folder / "recipe.json").write_text(json.dumps({"name": "mine", "seed": 3, "stages": stages}))
    info = inspect(folder)
    assert trained(info) == {
        "vision tower": "LoRA r 64, alpha 128",
        "prototype extractor": "in full",
        "projector layers": "in full",
        "language model": "LoRA r 128, alpha 256",
    }
    assert info.provenance == {"recipe": "mine", "seed": 3}


def test_an_adapter(tmp_path: Path) -> None:
    info = inspect(tiny_adapter.adapter_folder(tmp_path / "adapter"))
    model = tiny_adapter.adapted()
    lora = {
        part: sum(p.numel() for name, p in model.named_parameters() if "lora_" in name and key in name)
        for part, key in (("vision tower", "vision_tower"), ("language model", "language_model"))
    }
    assert counts(info) == truth()
    assert {name: part.adapter for name, part in info.parts.items() if part.adapter} == lora
    assert trained(info) == {
        "vision tower": "LoRA r 2, alpha 3",
        "prototype extractor": "in full",
        "projector layers": "in full",
        "language model": "LoRA r 4, alpha 8",
    }
    assert (info.kind, info.base, info.template) == ("adapter", "../base", "v1")
    assert info.files == {WEIGHTS: (tmp_path / "adapter" / WEIGHTS).stat().st_size}


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_a_released_lora(tmp_path: Path, kind: str) -> None:
    parts = release.random_parts()
    info = inspect(release.write_stage2(tmp_path / "safe", parts, kind))
    assert info.kind == "release-lora"
    assert trained(info) == {
        "vision tower": f"LoRA r {release.VIT_RANK}, alpha {release.VIT_ALPHA}",
        "prototype extractor": "in full",
        "projector layers": "in full",
        "language model": f"LoRA r {release.LLM_RANK}, alpha {release.LLM_ALPHA}",
    }
    lora = {"vision tower": parts.vit_lora, "language model": parts.llm_lora}
    for name, pairs in lora.items():
        assert info.parts[name].adapter == sum(a.numel() + b.numel() for a, b in pairs.values())
        assert info.parts[name].parameters is None  # elsewhere, in the base and the tower
    layers = sum(value.numel() for name, value in parts.projector.items() if name.startswith("mlp."))
    assert info.parts["projector layers"].parameters == layers
    assert info.parts["prototype extractor"].parameters == sum(v.numel() for v in parts.projector.values()) - layers
    assert info.base == "lmsys/vicuna-7b-v1.5"
    assert info.provenance == {"vision_tower": "openai/clip-vit-large-patch14-336"}
    assert info.dtypes == {"F32": 2 * sum(map(len, lora.values())) + len(parts.projector)}
    assert info.template == "v1"
    assert len(info.files) == 3


def test_pickles_of_the_old_format_are_listed_and_not_opened(tmp_path: Path) -> None:
    """Nothing in them can be read without all of it."""
    folder = release.write_stage2(tmp_path / "bin", release.random_parts())
    for file in folder.rglob("*.bin"):
        torch.save(torch.load(file), file, _use_new_zipfile_serialization=False)
    (folder / "training_args.bin").write_bytes(b"not weights")
    info = inspect(folder)
    assert set(info.files) == {"Vit-lora/adapter_model.bin", "adapter_model.bin", "non_lora_trainables.bin"}
    assert set(counts(info).values()) == {None}
    assert info.parts["language model"].trained == "LoRA r 4, alpha 8"


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    folder = release.write_stage2(tmp_path / "bin", release.random_parts())
    torch.save({"a": Trap(tmp_path / "sprung")}, folder / "non_lora_trainables.bin")
    with pytest.raises(CheckpointError, match=r"non_lora_trainables\.bin: .*it calls io\.open\) and may run code"):
        inspect(folder)
    assert not (tmp_path / "sprung").exists()


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.file), "w")


def test_full_weights_under_original_names(tmp_path: Path) -> None:
    parts = release.random_parts("mlp2x_gelu", lora=False)
    info = inspect(release.write_full(tmp_path / "full", parts, "safetensors", shards=2, tower=True))
    assert info.kind == "full"
    assert list(info.parts) == ["vision tower", "projector layers", "language model"]
    assert info.parts["projector layers"].parameters == sum(value.numel() for value in parts.projector.values())
    assert set(trained(info).values()) == {None}
    assert len(info.files) == 2


def test_a_converted_checkpoint_remembers(tmp_path: Path) -> None:
    parts = release.random_parts()
    src = release.write_stage2(tmp_path / "src", parts)
    base, tower = release.write_base(tmp_path / "vicuna", parts), release.write_tower(tmp_path / "clip", parts)
    merged = inspect(convert(src, tmp_path / "merged", base=base, vision_tower=tower))
    kept = inspect(convert(src, tmp_path / "kept", base=base, vision_tower=tower, keep_lora=True))
    assert trained(merged) == trained(kept) == trained(inspect(src))
    assert merged.provenance["converted_from"]["sources"]["base model"]["name"] == "vicuna"
    assert kept.base == "base"
    assert counts(kept) == counts(merged)
    assert set(trained(inspect(tmp_path / "kept" / "base")).values()) == {None, "in full"}


def test_what_is_no_checkpoint(tmp_path: Path, tiny_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        inspect(tmp_path / "nowhere")
    copy = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    (copy / "model.safetensors").write_bytes(b"{}")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        inspect(copy)
    (copy / "recipe.json").write_text("[]")
    shutil.copy(tiny_checkpoint / "model.safetensors", copy)
    with pytest.raises(CheckpointError, match=r"recipe\.json: is not a JSON object"):
        inspect(copy)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import atexit, sys; from sqllava.cli.app import main\n"
        "atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr)); main()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, "info", *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_the_command(tmp_path: Path) -> None:
    folder = tiny_adapter.adapter_folder(tmp_path / "adapter")
    done = command(str(folder))
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "False"  # torch was never imported
    for words in ("PEFT adapter", "../base", "LoRA r 4, alpha 8", f"{sum(truth().values()):,}"):
        assert words in done.stdout
    value = json.loads(command(str(folder), "--json").stdout)
    assert value["parameters"] == sum(truth().values())
    assert value["parts"]["vision tower"]["trained"] == "LoRA r 2, alpha 3"
    failed = command(str(tmp_path / "nowhere"))
    assert failed.returncode == 2
    assert "no such folder" in failed.stderr
    assert "Traceback" not in failed.stderr
