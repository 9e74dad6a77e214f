"""Folders are told apart by their configurations and file names alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import release_layouts as release
import tiny_sqllava as tiny
from peft import LoraConfig, get_peft_model

from sqllava.conversion.convert import convert
from sqllava.conversion.layout import Kind, recognise
from sqllava.conversion.sources import local_folder
from sqllava.errors import CheckpointError

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT's


def empty_weights(folder: Path) -> None:
    """Weights cannot have been read if they are not there."""
    for file in [*folder.rglob("*.bin"), *folder.rglob("*.safetensors")]:
        file.write_bytes(b"")


@pytest.mark.parametrize("kind", ["bin", "safetensors"])
def test_the_releases_layouts(tmp_path: Path, kind: str) -> None:
    parts = release.random_parts()
    expected = {
        release.write_stage2(tmp_path / "2", parts, kind): (Kind.release_lora, True, "lmsys/vicuna-7b-v1.5"),
        release.write_stage1(tmp_path / "1", parts, kind): (Kind.projector, True, None),
        release.write_full(tmp_path / "full", parts, kind): (Kind.full, False, None),
        release.write_full(tmp_path / "shards", parts, kind, shards=3): (Kind.full, False, None),
    }
    empty_weights(tmp_path)
    for folder, (layout, needs_base, base) in expected.items():
        found = recognise(folder)
        assert found is not None
        assert (found.kind, found.needs_base, found.base_name) == (layout, needs_base, base)
        assert found.to_convert
        assert found.vision_tower_name == "openai/clip-vit-large-patch14-336"


def test_transformers_layout(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llava", "vision_config": {}, "text_config": {}}))
    found = recognise(tmp_path)
    assert found is not None
    assert (found.kind, found.to_convert, found.needs_base) == (Kind.llava, True, False)


def test_ours(tmp_path: Path) -> None:
    model = tiny.model()
    model.save_pretrained(tmp_path / "model")
    found = recognise(tmp_path / "model")
    assert found is not None
    assert (found.kind, found.to_convert) == (Kind.sqllava, False)
    adapted = get_peft_model(model, LoraConfig(target_modules=["fc1"]))
    adapted.save_pretrained(tmp_path / "adapter")
    empty_weights(tmp_path)
    found = recognise(tmp_path / "adapter")
    assert found is not None
    assert (found.kind, found.to_convert) == (Kind.adapter, False)


def test_a_kept_adapter_and_its_base(tmp_path: Path) -> None:
    parts = release.random_parts()
    out = convert(
        release.write_stage2(tmp_path / "src", parts),
        tmp_path / "out",
        base=release.write_base(tmp_path / "base", parts),
        vision_tower=release.write_tower(tmp_path / "tower", parts),
        keep_lora=True,
    )
    kinds = [layout.kind for folder in (out, out / "base") if (layout := recognise(folder))]
    assert kinds == [Kind.adapter, Kind.sqllava]


def test_others(tmp_path: Path) -> None:
    parts = release.random_parts()
    assert recognise(release.write_base(tmp_path / "base", parts)) is None
    assert recognise(release.write_tower(tmp_path / "tower", parts)) is None
    assert recognise(tmp_path / "nothing") is None
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/llama"}))
    assert recognise(tmp_path / "foreign") is None


def test_names_of_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert local_folder(tmp_path) == tmp_path
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="is a file"):
        local_folder(tmp_path / "file")
    with pytest.raises(CheckpointError, match="no such folder"):
        local_folder(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE is set"):
        local_folder("some-org/a-model-that-nobody-has")
