"""Adapter folders: what training injects, PEFT reads as it is, and loading merges exactly."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_adapter
import tiny_sqllava as tiny
import torch
from peft import AutoPeftModel, LoraConfig, PeftModel, inject_adapter_in_model
from safetensors.torch import load_file, save_file
from torch import nn

from sqllava import CheckpointError, checkpoint_hash, load
from sqllava.adapters import CONFIG, WEIGHTS, Lora, adapter_config, write_adapter
from sqllava.checkpoints import resolve


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return tiny_adapter.adapter_folder(tmp_path / "adapter")


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads((folder / CONFIG).read_text())
    change(value)
    (folder / CONFIG).write_text(json.dumps(value))


def merged_by_hand(model: nn.Module) -> dict[str, torch.Tensor]:
    """Plain names -> weights, W + alpha / r * B @ A in float64 from an injected model's own tensors."""
    state = {name: value.double() for name, value in model.state_dict().items()}
    merged = {}
    for name, value in state.items():
        layer = name.removesuffix(".base_layer.weight")
        if layer != name:
            settings = tiny_adapter.LLM if "language_model" in name else tiny_adapter.VIT
            b, a = state[f"{layer}.lora_B.default.weight"], state[f"{layer}.lora_A.default.weight"]
            value = value + settings["lora_alpha"] / settings["r"] * b @ a
        if "lora_" not in name:
            merged[name.replace(".base_layer", "")] = value
    return merged


def test_peft_alone_reads_the_folder_and_gives_the_same_logits(adapter: Path) -> None:
    trained = tiny_adapter.adapted()
    plain = PeftModel.from_pretrained(tiny.model(), adapter).eval()
    assert torch.equal(tiny_adapter.logits(plain), tiny_adapter.logits(trained))
    assert not torch.equal(tiny_adapter.logits(plain), tiny_adapter.logits(tiny.model()))


def test_peft_finds_base_and_class_by_itself(adapter: Path) -> None:
    edit(adapter, lambda config: config.update(base_model_name_or_path=str(adapter.parent / "base")))
    found = AutoPeftModel.from_pretrained(adapter, import_allowlist=["sqllava.modeling"]).eval()
    assert torch.equal(tiny_adapter.logits(found), tiny_adapter.logits(tiny_adapter.adapted()))


def test_loading_merges_exactly(adapter: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model, processor = load(adapter, device="cpu")
    assert capfd.readouterr() == ("", "")
    assert not model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert processor.image_seq_length == 9
    wanted = merged_by_hand(tiny_adapter.adapted())
    assert {type(module) for module in model.modules()} == {type(module) for module in tiny.model().modules()}
    assert model.state_dict().keys() == wanted.keys()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value.double(), wanted[name], rtol=0, atol=3e-7)
    torch.testing.assert_close(
        tiny_adapter.logits(model), tiny_adapter.logits(tiny_adapter.adapted()), rtol=1e-4, atol=1e-4
    )


def test_rounding_comes_after_merging(adapter: Path) -> None:
    wanted = merged_by_hand(tiny_adapter.adapted())
    model, _ = load(adapter, device="cpu", dtype="bfloat16")
    assert model.dtype == torch.bfloat16
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    assert torch.equal(model.state_dict()[name], wanted[name].float().bfloat16())
    frequencies = model.model.language_model.rotary_emb.inv_freq
    assert frequencies.dtype == torch.float32
    assert torch.equal(frequencies, tiny.model().model.language_model.rotary_emb.inv_freq)


def test_a_half_precision_base_is_merged_at_the_precision_asked_for(adapter: Path) -> None:
    tiny.model().half().save_pretrained(adapter.parent / "base")
    model, _ = load(adapter, device="cpu")
    wanted = merged_by_hand(tiny_adapter.adapted(tiny.model().half().float()))
    name = "model.language_model.layers.1.self_attn.q_proj.weight"
    torch.testing.assert_close(model.state_dict()[name].double(), wanted[name], rtol=0, atol=3e-7)


def test_a_gathered_state_is_written_instead_of_the_models_own(tmp_path: Path) -> None:
    model = tiny_adapter.adapted()
    state = {name: value + 1 for name, value in model.state_dict().items()}
    write_adapter(tmp_path, model, base="x", full=["projector"], state=state)
    for name, value in load_file(tmp_path / WEIGHTS).items():
        own = name.removeprefix("base_model.model.").replace(".weight", ".default.weight")
        assert torch.equal(value, state[own if "lora_" in name else name.removeprefix("base_model.model.")])


def test_the_same_adapter_is_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_adapter(tmp_path / name, tiny_adapter.adapted(), base="x", full=["projector"])
    for file in (CONFIG, WEIGHTS):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_language_model_trained_in_full_beside_lora_in_the_tower(tmp_path: Path) -> None:
    model = tiny_adapter.adapted(llm=None)
    with torch.no_grad():
        model.lm_head.weight.mul_(1.5)
        model.model.language_model.norm.weight.mul_(0.5)
    write_adapter(tmp_path / "adapter", model, base="mini", full=["language_model", "projector"])
    tiny.model().save_pretrained(tmp_path / "base")
    tiny.processor().save_pretrained(tmp_path / "base")
    plain = PeftModel.from_pretrained(tiny.model(), tmp_path / "adapter").eval()
    assert torch.equal(tiny_adapter.logits(plain), tiny_adapter.logits(model))
    loaded, _ = load(tmp_path / "adapter", base=tmp_path / "base", device="cpu")
    torch.testing.assert_close(tiny_adapter.logits(loaded), tiny_adapter.logits(model), rtol=1e-4, atol=1e-4)


def test_patterns_tell_layers_that_differ_inside_a_part_apart() -> None:
    modules = {f"model.language_model.layers.{i}.mlp.up_proj": Lora(4, 8) for i in range(12)}
    modules["model.language_model.layers.1.mlp.up_proj"] = Lora(2, 8)
    modules |= {f"model.vision_tower.encoder.layers.{i}.mlp.fc1": Lora(4, 16) for i in range(3)}
    config = adapter_config(modules, base="x")
    assert (config.r, config.lora_alpha) == (4, 8)
    assert config.rank_pattern == {r"model\.language_model\.layers\.1\.mlp\.up_proj": 2}
    assert config.alpha_pattern == {r"model\.vision_tower\..*": 16}


def test_adapters_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no module has a LoRA layer; save the whole model"):
        write_adapter(tmp_path, tiny.model(), base="x")
    with pytest.raises(CheckpointError, match=r"unknown part head; parts are vision_tower, projector"):
        write_adapter(tmp_path, tiny_adapter.adapted(), base="x", full=["head"])
    model = tiny.model()
    inject_adapter_in_model(LoraConfig(target_modules=["q_proj"], use_dora=True), model.model.language_model)
    with pytest.raises(CheckpointError, match="one plain LoRA adapter"):
        write_adapter(tmp_path, model, base="x")


def test_the_base_is_found_beside_the_adapter_by_absolute_path_and_by_packaged_name(adapter: Path) -> None:
    expected = tiny_adapter.logits(load(adapter, device="cpu")[0])
    moved = adapter.parent / "elsewhere"
    moved.mkdir()
    for name in ("base", "adapter"):
        shutil.move(adapter.parent / name, moved / name)
    adapter = moved / "adapter"
    assert torch.equal(tiny_adapter.logits(load(adapter, device="cpu")[0]), expected)
    edit(adapter, lambda config: config.update(base_model_name_or_path=str(moved / "base")))
    assert torch.equal(tiny_adapter.logits(load(adapter, device="cpu")[0]), expected)
    edit(adapter, lambda config: config.update(base_model_name_or_path="mini"))
    with pytest.raises(CheckpointError, match=r"adapter .*: (cannot be attached|weights do not fit)"):
        load(adapter, device="cpu")  # found, and of another shape
    assert torch.equal(tiny_adapter.logits(load(adapter, base=moved / "base", device="cpu")[0]), expected)


def test_an_adapter_over_an_adapter(adapter: Path) -> None:
    """Stage 2 may stand on stage 1's adapter."""
    first, _ = load(adapter, device="cpu")
    second = tiny_adapter.adapted(first, vit=None)
    write_adapter(adapter.parent / "second", second, base="../adapter", full=["projector"])
    model, _ = load(adapter.parent / "second", device="cpu")
    torch.testing.assert_close(tiny_adapter.logits(model), tiny_adapter.logits(second), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [".", "../second"])
def test_bases_in_a_circle(adapter: Path, name: str) -> None:
    shutil.copytree(adapter, adapter.parent / "second")
    edit(adapter.parent / "second", lambda config: config.update(base_model_name_or_path="../adapter"))
    edit(adapter, lambda config: config.update(base_model_name_or_path=name))
    for use in (load, checkpoint_hash):
        with pytest.raises(CheckpointError, match="stands on it; name a whole model"):
            use(adapter)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (None, r"names no base; name the checkpoint .*--base"),
        ("no such place", r"'no such place' is neither a folder beside it nor a hub id"),
        ("org/gone", r"its base cannot be used: hub checkpoint 'org/gone'"),
        ("../empty", r"its base cannot be used: .*has no config\.json"),
    ],
)
def test_bases_that_lead_nowhere(adapter: Path, base: str | None, message: str) -> None:
    (adapter.parent / "empty").mkdir()
    edit(adapter, lambda config: config.update(base_model_name_or_path=base))
    with pytest.raises(CheckpointError, match=message):
        load(adapter)


def test_a_whole_model_takes_no_base(adapter: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is a whole model; leave out the base 'mini'"):
        load(adapter.parent / "base", base="mini")


def test_missing_unused_and_misshapen_weights_are_named(adapter: Path) -> None:
    weights = load_file(adapter / WEIGHTS)
    layer = "base_model.model.model.language_model.layers.0.self_attn"
    del weights[f"{layer}.q_proj.lora_A.weight"]
    del weights["base_model.model.model.multi_modal_projector.c.bias"]
    weights[f"{layer}.z_proj.lora_A.weight"] = torch.zeros(4, 48)
    weights[f"{layer}.k_proj.lora_A.weight"] = torch.zeros(3, 48)
    save_file(weights, adapter / WEIGHTS)
    with pytest.raises(CheckpointError) as caught:
        load(adapter)
    message = str(caught.value)
    assert "2 missing: base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight" in message
    assert "multi_modal_projector.c.bias" in message
    assert "1 unused: base_model.model.model.language_model.layers.0.self_attn.z_proj.lora_A.weight" in message
    assert f"1 of another shape: {layer}.k_proj.lora_A.weight ((3, 48) for (4, 48))" in message


@pytest.mark.parametrize("keep", [4, 2000])
def test_truncated_weights(adapter: Path, keep: int) -> None:
    file = adapter / WEIGHTS
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="cannot be attached to its base"):
        load(adapter)


def test_folders_that_are_no_adapter_of_ours(adapter: Path) -> None:
    edit(adapter, lambda config: config.update(peft_type="IA3"))
    with pytest.raises(CheckpointError, match="peft_type is 'IA3'; only LORA"):
        load(adapter)
    edit(adapter, lambda config: config.update(auto_mapping=None, base_model_name_or_path="gpt2"))
    with pytest.raises(CheckpointError, match="its adapter is not one over SQ-LLaVA"):
        resolve(adapter)
    both = shutil.copytree(adapter.parent / "base", adapter.parent / "both")
    tiny_adapter.write_adapter(both, tiny_adapter.adapted(), base="../base")
    with pytest.raises(CheckpointError, match="holds a whole model and an adapter"):
        resolve(both)


def test_the_hash_covers_adapter_and_base_wherever_they_lie(adapter: Path) -> None:
    original = checkpoint_hash(adapter)
    assert checkpoint_hash(adapter, base=adapter.parent / "base") == original
    edit(adapter, lambda config: config.update(base_model_name_or_path=str(adapter.parent / "base")))
    assert checkpoint_hash(adapter) == original
    edit(adapter, lambda config: config.update(lora_alpha=5))
    rescaled = checkpoint_hash(adapter)
    tiny.model(seed=1).save_pretrained(adapter.parent / "base")
    assert len({original, rescaled, checkpoint_hash(adapter), checkpoint_hash(adapter.parent / "base")}) == 4
