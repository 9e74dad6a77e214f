"""Loading checkpoints: sound ones, and every way in which one can be unsound."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_sqllava as tiny
import torch
from safetensors.torch import load_file, save_file

from sqllava import CheckpointError, checkpoint_hash, load
from sqllava.locate import packaged


@pytest.fixture
def copy(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "copy"))


def edit(file: Path, change: Callable[[dict[str, object]], None]) -> None:
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))


def reweigh(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    change(weights)
    save_file(weights, file, metadata={"format": "pt"})


def test_a_sound_checkpoint(tiny_checkpoint: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model, processor = load(tiny_checkpoint, device="cpu")
    assert model.dtype == torch.float32
    assert not model.training
    assert processor.image_seq_length == 9
    saved = tiny.model().state_dict()
    assert all(torch.equal(value, saved[name]) for name, value in model.state_dict().items())
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_half_precision_files_become_float32_on_the_cpu(copy: Path) -> None:
    tiny.model().half().save_pretrained(copy)
    assert load(copy, device="cpu")[0].dtype == torch.float32
    assert load(copy, device="cpu", dtype="bfloat16")[0].dtype == torch.bfloat16


def test_missing_folder_says_what_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no such folder; give .*save_pretrained.*packaged name"):
        load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="no such folder"):
        load("minni")


def test_a_file_is_no_checkpoint(tiny_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="is a file"):
        load(tiny_checkpoint / "config.json")


def test_a_folder_without_configuration(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no config\.json; give"):
        load(tmp_path)


def test_a_configuration_that_is_not_json(copy: Path) -> None:
    (copy / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json: is not JSON"):
        load(copy)


def test_a_foreign_model_type(copy: Path) -> None:
    edit(copy / "config.json", lambda config: config.update(model_type="bert"))
    with pytest.raises(CheckpointError, match=r"model type 'bert'; give .*'sqllava'"):
        load(copy)


def test_values_that_the_configuration_does_not_know(copy: Path) -> None:
    edit(copy / "config.json", lambda config: config.update(projector_type="linear"))
    with pytest.raises(CheckpointError, match="projector_type"):
        load(copy)


def test_pickled_weights_are_not_read(copy: Path) -> None:
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no \*\.safetensors; pytorch_model\.bin cannot be used"):
        load(copy)


def test_missing_unused_and_misshapen_weights_are_named(copy: Path) -> None:
    def damage(weights: dict[str, torch.Tensor]) -> None:
        del weights["model.multi_modal_projector.f.weight"]
        weights["model.multi_modal_projector.extra"] = torch.zeros(3)
        weights["lm_head.weight"] = torch.zeros(7, 48)

    reweigh(copy, damage)
    with pytest.raises(CheckpointError) as caught:
        load(copy)
    message = str(caught.value)
    assert "1 missing: model.multi_modal_projector.f.weight" in message
    assert "1 unused: model.multi_modal_projector.extra" in message
    assert "1 of another shape: lm_head.weight ((7, 48) for" in message


@pytest.mark.parametrize("keep", [4, 1000])
def test_truncated_weights(copy: Path, keep: int) -> None:
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load(copy)


def test_no_tokenizer(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load(copy)


def test_a_processor_of_another_model(copy: Path) -> None:
    edit(copy / "processor_config.json", lambda processor: processor.update(image_seq_length=16))
    with pytest.raises(CheckpointError, match=r"processor writes 16 image tokens .* expects 9"):
        load(copy)


@pytest.mark.parametrize(("device", "dtype"), [("gpu", "auto"), ("auto", "int8"), ("cuda:99", "auto")])
def test_unknown_device_or_dtype(tiny_checkpoint: Path, device: str, dtype: str) -> None:
    with pytest.raises(CheckpointError, match=r"unknown (device|dtype)|usable CUDA devices"):
        load(tiny_checkpoint, device=device, dtype=dtype)


def test_the_hash_follows_what_decides_the_answers(tiny_checkpoint: Path, copy: Path) -> None:
    original = checkpoint_hash(tiny_checkpoint)
    assert checkpoint_hash(copy) == original
    (copy / "train.jsonl").write_text("{}\n")
    (copy / "README.md").write_text("notes")
    assert checkpoint_hash(copy) == original
    reweigh(copy, lambda weights: weights.update({"lm_head.weight": weights["lm_head.weight"] + 1e-3}))
    changed = checkpoint_hash(copy)
    edit(copy / "config.json", lambda config: config.update(image_aspect_ratio="crop"))
    assert len({original, changed, checkpoint_hash(copy)}) == 3


@pytest.mark.parametrize("name", packaged())
def test_packaged_checkpoints_load_by_name(name: str) -> None:
    model, _ = load(name, device="cpu")
    assert model.config.sees_images == ("blind" not in name)
