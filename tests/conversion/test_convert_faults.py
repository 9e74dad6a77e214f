"""What is wrong with a checkpoint is said, with every name, before anything is written."""

from __future__ import annotations

import fractions
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import release_layouts as release
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from sqeval.cli.app import app as sqeval_app
from sqllava.cli.app import app as sqllava_app
from sqllava.conversion.convert import convert
from sqllava.errors import CheckpointError


class Checkpoint:
    """A complete stage 2 checkpoint with what it needs, to be damaged."""

    def __init__(self, root: Path, kind: str = "bin") -> None:
        self.root = root
        self.parts = release.random_parts()
        self.src = release.write_stage2(root / "src", self.parts, kind)
        self.base = release.write_base(root / "base", self.parts, kind)
        self.tower = release.write_tower(root / "tower", self.parts, kind)

    def convert(self, **changes: Any) -> Path:
        return convert(self.src, self.root / "out", **{"base": self.base, "vision_tower": self.tower, **changes})

    def fault(self, **changes: Any) -> str:
        """The message; and nothing may be left behind."""
        with pytest.raises(CheckpointError) as caught:
            self.convert(**changes)
        assert not list(self.root.glob("out*"))
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint(tmp_path)


def edit(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the tensors or the JSON object in `file`."""
    if file.suffix == ".json":
        value = json.loads(file.read_text())
        change(value)
        file.write_text(json.dumps(value))
    elif file.suffix == ".bin":
        value = torch.load(file, weights_only=True)
        change(value)
        torch.save(value, file)
    else:
        value = load_file(file)
        change(value)
        save_file(value, file)


def test_missing_tensors_are_listed(checkpoint: Checkpoint) -> None:
    edit(
        checkpoint.base / "pytorch_model.bin", lambda w: [w.pop(f"model.layers.{i}.mlp.up_proj.weight") for i in (0, 1)]
    )
    edit(checkpoint.tower / "pytorch_model.bin", lambda w: w.pop("vision_model.pre_layrnorm.bias"))
    told = checkpoint.fault()
    assert "3 missing: " in told
    assert "model.language_model.layers.*.mlp.up_proj.weight (2 of them)" in told
    assert "model.vision_tower.pre_layrnorm.bias" in told


def test_a_projector_is_not_filled_up_from_the_base(checkpoint: Checkpoint) -> None:
    file = checkpoint.src / "non_lora_trainables.bin"
    edit(file, lambda w: w.pop("base_model.model.model.mm_projector.c.bias"))
    more = release.prefixed("model.mm_projector.", checkpoint.parts.projector)
    edit(checkpoint.base / "pytorch_model.bin", lambda w: w.update(more))
    assert "1 missing: model.multi_modal_projector.c.bias" in checkpoint.fault()


def test_unused_tensors_are_listed(checkpoint: Checkpoint) -> None:
    edit(
        checkpoint.base / "pytorch_model.bin",
        lambda w: w.update({"model.layers.9.mlp.up_proj.weight": torch.ones(2), "model.layers.0.new": torch.ones(1)}),
    )
    told = checkpoint.fault()
    assert "2 unused: " in told
    assert "model.layers.9.mlp.up_proj.weight (pytorch_model.bin)" in told
    assert "model.layers.0.new (pytorch_model.bin)" in told


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("base", "model.layers.0.self_attn.rotary_emb.cos_cached"),
        ("base", "something.else"),
        ("tower", "vision_model.embeddings.position_idx"),
        ("tower", "head.weight"),
    ],
)
def test_only_known_leftovers_are_ignored(checkpoint: Checkpoint, folder: str, name: str) -> None:
    edit(checkpoint.root / folder / "pytorch_model.bin", lambda w: w.update({name: torch.ones(2)}))
    assert name in checkpoint.fault()


def test_shapes_that_do_not_fit_are_listed(checkpoint: Checkpoint) -> None:
    edit(checkpoint.tower / "pytorch_model.bin", lambda w: w.update({"vision_model.pre_layrnorm.bias": torch.ones(31)}))
    assert "vision_model.pre_layrnorm.bias (pytorch_model.bin) is 31 for 32" in checkpoint.fault()


@pytest.mark.parametrize("old_format", [False, True])
def test_code_in_a_pickle_is_refused(checkpoint: Checkpoint, old_format: bool) -> None:
    """A harmless object of a class that is no tensor; the class could be any function."""
    value = {"base_model.model.model.mm_projector.c.weight": fractions.Fraction(1, 2)}
    file = checkpoint.src / "non_lora_trainables.bin"
    torch.save(value, file, _use_new_zipfile_serialization=not old_format)
    told = checkpoint.fault()
    assert str(file) in told
    assert "(it calls fractions.Fraction)" in told
    assert "may run code" in told


class Calls:
    """A value that makes a file when it is unpickled, as any other command could be run."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self.made,)


def test_no_command_runs_the_code_in_a_checkpoint(checkpoint: Checkpoint, tmp_path: Path) -> None:
    made = tmp_path / "made"
    torch.save(
        {"base_model.model.model.mm_projector.c.weight": Calls(made)}, checkpoint.src / "non_lora_trainables.bin"
    )
    torch.load(checkpoint.src / "non_lora_trainables.bin", weights_only=False)
    assert made.exists()  # so dangerous is it
    made.unlink()
    assert "may run code" in checkpoint.fault()
    places = [str(place) for place in (checkpoint.src, checkpoint.base, checkpoint.tower)]
    for words in (["info", places[0]], ["ask", str(tmp_path / "a.png"), "--ckpt", places[0]]):
        CliRunner().invoke(sqllava_app, words)
    run = ["run", "--tasks", "pope", "--data", "mini", "--out", str(tmp_path / "out"), "--ckpt", places[0]]
    refused = CliRunner().invoke(sqeval_app, [*run, "--base", places[1], "--vision-tower", places[2]])
    assert refused.exit_code == 2
    assert "may run code" in refused.output
    assert not made.exists()


def test_files_in_the_old_format_of_torch_are_read(checkpoint: Checkpoint) -> None:
    file = checkpoint.tower / "pytorch_model.bin"
    torch.save(torch.load(file, weights_only=True), file, _use_new_zipfile_serialization=False)
    checkpoint.convert()


@pytest.mark.parametrize("value", [[torch.ones(2)], {"state_dict": {"a": torch.ones(2)}}, {"epoch": 3}])
def test_a_pickle_of_something_else_is_refused(checkpoint: Checkpoint, value: object) -> None:
    torch.save(value, checkpoint.src / "non_lora_trainables.bin")
    assert "is not a mapping of names to tensors" in checkpoint.fault()


@pytest.mark.parametrize("kind", ["bin", "safetensors"])
@pytest.mark.parametrize("left", [0, 5, 0.5, -7])
def test_a_file_cut_short_is_named(tmp_path: Path, kind: str, left: float) -> None:
    checkpoint = Checkpoint(tmp_path, kind)
    stem = "model" if kind == "safetensors" else "pytorch_model"
    file = checkpoint.base / f"{stem}.{kind}"
    content = file.read_bytes()
    file.write_bytes(content[: int(left * len(content))] if isinstance(left, float) else content[:left])
    told = checkpoint.fault()
    assert told.startswith(f"{file}: is damaged")
    assert "fetch it again" in told


def test_quantised_weights_are_refused(checkpoint: Checkpoint) -> None:
    name = "model.layers.0.mlp.up_proj.weight"
    edit(checkpoint.base / "pytorch_model.bin", lambda w: w.update({name: torch.ones(64, 48, dtype=torch.int8)}))
    assert f"tensor {name} is stored as torch.int8" in checkpoint.fault()


def test_weights_that_the_type_cannot_hold_are_refused(checkpoint: Checkpoint) -> None:
    edit(checkpoint.base / "pytorch_model.bin", lambda w: w["model.norm.weight"].fill_(1e6))
    assert "tensor model.norm.weight is not finite as torch.float16" in checkpoint.fault(dtype="float16")
    checkpoint.convert(dtype="bfloat16")


def test_absent_shards_are_named(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    (checkpoint.base / "pytorch_model.bin").unlink()
    release.write_base(checkpoint.base, checkpoint.parts, shards=3)
    (checkpoint.base / "pytorch_model-00002-of-00003.bin").unlink()
    assert "lists files that are not in its folder: pytorch_model-00002-of-00003.bin" in checkpoint.fault()
    (checkpoint.base / "pytorch_model.bin.index.json").unlink()
    assert "2 of the shards that pytorch_model-00003-of-00003.bin counts" in checkpoint.fault()


def test_an_index_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    (checkpoint.base / "pytorch_model.bin").rename(tmp_path / "elsewhere.bin")
    index = {"weight_map": {"model.norm.weight": "../elsewhere.bin"}}
    (checkpoint.base / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert "lists files that are not in its folder: ../elsewhere.bin" in checkpoint.fault()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mm_projector_type": "linear"}, "mm_projector_type is 'linear'; supported are cluster and mlp2x_gelu"),
        ({"mm_use_im_start_end": True}, "mm_use_im_start_end is set"),
        ({"image_aspect_ratio": "anyres"}, "image_aspect_ratio is 'anyres'; supported are 'pad'"),
        ({"mm_hidden_size": 64}, "mm_hidden_size 64"),
        ({"rms_norm_eps": 1e-6}, "rms_norm_eps is 1e-05 there and 1e-06 here"),
        ({"rope_theta": 5e5}, "cannot be the base"),
        ({"num_attention_heads": 8}, "num_attention_heads is 4 there and 8 here"),
    ],
)
def test_settings_that_cannot_be_are_named(checkpoint: Checkpoint, changes: dict[str, Any], told: str) -> None:
    edit(checkpoint.src / "config.json", lambda config: config.update(changes))
    assert told in checkpoint.fault()


def test_what_else_is_wanted_is_said(checkpoint: Checkpoint) -> None:
    assert "give --base lmsys/vicuna-7b-v1.5" in checkpoint.fault(base=None)
    assert "give --vision-tower openai/clip-vit-large-patch14-336" in checkpoint.fault(vision_tower=None)
    (checkpoint.src / "config.json").unlink()
    assert "has no config.json" in checkpoint.fault()


def test_a_tower_that_is_no_clip_is_refused(checkpoint: Checkpoint) -> None:
    edit(checkpoint.tower / "config.json", lambda config: config.update(model_type="siglip_vision_model"))
    assert "is of model type 'siglip_vision_model'; the vision tower must be a CLIP" in checkpoint.fault()


def test_superfluous_folders_are_refused(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.src = release.write_full(tmp_path / "full", checkpoint.parts)
    assert "holds its whole language model; leave out --base" in checkpoint.fault()


def test_a_tokenizer_that_needs_a_package_says_which(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkpoint.base / "tokenizer.json").unlink()
    assert "has no tokenizer.json and no tokenizer.model" in checkpoint.fault()
    (checkpoint.base / "tokenizer.model").write_bytes(b"")
    monkeypatch.setattr("sqllava.conversion.vocabulary.find_spec", lambda name: None)
    assert "pip install sentencepiece protobuf" in checkpoint.fault()


def test_folders_of_other_kinds(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        convert(tmp_path / "nothing", tmp_path / "out")
    (tmp_path / "src").mkdir()
    with pytest.raises(CheckpointError, match="is no checkpoint that can be converted"):
        convert(tmp_path / "src", tmp_path / "out")
    (tmp_path / "src" / "config.json").write_text('{"model_type": "sqllava"}')
    with pytest.raises(CheckpointError, match="nothing is to be converted"):
        convert(tmp_path / "src", tmp_path / "out")
    (tmp_path / "src" / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json: is not JSON"):
        convert(tmp_path / "src", tmp_path / "out")
