"""Adapters: merged as PEFT merges them, kept so that PEFT merges them to the same, refused where they are not plain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import release_layouts as release
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from release_layouts import Parts
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

import sqllava
from sqllava.conversion.convert import convert
from sqllava.errors import CheckpointError

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT's


def folders(tmp_path: Path, parts: Parts) -> dict[str, Path]:
    base, tower = release.write_base(tmp_path / "base", parts), release.write_tower(tmp_path / "tower", parts)
    return {"base": base, "vision_tower": tower}


def change_settings(folder: Path, **changes: Any) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    "settings",
    [
        {"r": 3, "lora_alpha": 7},
        {"r": 4, "lora_alpha": 8, "use_rslora": True},
        {"r": 2, "lora_alpha": 5, "fan_in_fan_out": True},
        {
            "r": 4,
            "lora_alpha": 8,
            "rank_pattern": {"layers.0.self_attn.q_proj": 3, "mlp.*": 5, r"^model\.layers\.1\.self_attn\.o_proj": 1},
            "alpha_pattern": {"down_proj": 1, "1.self_attn.[qk]_proj": 9},
        },
        {"r": 3, "lora_alpha": 4, "use_rslora": True, "rank_pattern": {"gate_proj": 6}, "alpha_pattern": {"o_proj": 2}},
        {"r": 3, "lora_alpha": 4, "layers_to_transform": [1]},
    ],
)
@pytest.mark.filterwarnings("ignore:fan_in_fan_out")
def test_what_peft_wrote_is_merged_as_peft_merges_it(tmp_path: Path, settings: dict[str, Any]) -> None:
    parts = release.random_parts()
    src = release.write_stage2(tmp_path / "src", parts)
    llm = LlamaForCausalLM(LlamaConfig(**release.TEXT))
    llm.load_state_dict(parts.language)
    modules = sorted({module.split(".")[-1] for module in release.LLM_MODULES})
    adapted = get_peft_model(llm, LoraConfig(target_modules=modules, init_lora_weights=False, **settings))
    adapted.save_pretrained(tmp_path / "peft")
    (src / "adapter_model.bin").unlink()
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (src / name).write_bytes((tmp_path / "peft" / name).read_bytes())
    change_settings(src, init_lora_weights=True)  # False would do too; None of them changes the base
    expected = adapted.merge_and_unload().state_dict()

    out = convert(src, tmp_path / "out", **folders(tmp_path, parts))
    found = load_file(out / "model.safetensors")
    for name in (name for name in expected if name.startswith("model.layers.")):
        ours = found[name.replace("model.", "model.language_model.", 1)]
        torch.testing.assert_close(ours, expected[name], rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("kind", ["stage 2", "stage 1"])
def test_kept_adapters_merge_to_the_merged_conversion(tmp_path: Path, kind: str, rslora: bool) -> None:
    parts = release.random_parts()
    write = release.write_stage2 if kind == "stage 2" else release.write_stage1
    src, where = write(tmp_path / "src", parts), folders(tmp_path, parts)
    change_settings(src / "Vit-lora", use_rslora=rslora)
    merged = convert(src, tmp_path / "merged", **where)
    kept = convert(src, tmp_path / "kept", keep_lora=True, **where)

    settings = json.loads((kept / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == "base"
    expected = sqllava.load(merged, device="cpu")[0].state_dict()
    base = sqllava.load(kept / "base", device="cpu")[0]
    assert not base.state_dict()["model.vision_tower.encoder.layers.0.mlp.fc1.weight"].equal(
        expected["model.vision_tower.encoder.layers.0.mlp.fc1.weight"]
    )
    by_peft = PeftModel.from_pretrained(base, kept).merge_and_unload().state_dict()
    by_load = sqllava.load(kept, device="cpu")[0].state_dict()
    assert by_peft.keys() == by_load.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(by_peft[name], tensor, rtol=0, atol=1e-6, msg=name)
        torch.testing.assert_close(by_load[name], tensor, rtol=0, atol=1e-6, msg=name)


def test_kept_adapters_have_ranks_and_alphas_of_their_own(tmp_path: Path) -> None:
    parts = release.random_parts()
    src = release.write_stage2(tmp_path / "src", parts)
    kept = convert(src, tmp_path / "kept", keep_lora=True, **folders(tmp_path, parts))
    adapted = PeftModel.from_pretrained(sqllava.load(kept / "base", device="cpu")[0], kept)
    found = {
        name: (module.r["default"], module.lora_alpha["default"])
        for name, module in adapted.base_model.model.named_modules()
        if hasattr(module, "lora_A") and module.lora_A
    }
    language = [f"model.language_model.layers.{i}.{module}" for i in range(2) for module in release.LLM_MODULES]
    tower = [f"model.vision_tower.encoder.layers.{i}.{module}" for i in range(3) for module in release.VIT_MODULES]
    assert found == dict.fromkeys(language, (4, 8)) | dict.fromkeys(tower, (2, 6))


LAYER = "encoder.layers.1.self_attn.q_proj"
REACHED = f"model.vision_tower.vision_tower.vision_model.{LAYER}"
NESTED = f"model.vision_tower.vision_tower.base_model.model.vision_model.{LAYER}"


def query(out: Path) -> torch.Tensor:
    found: torch.Tensor = sqllava.load(out, device="cpu")[0].state_dict()[f"model.vision_tower.{LAYER}.weight"]
    return found


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("name", [REACHED, NESTED])
def test_the_tower_in_the_adapter_of_the_language_model(tmp_path: Path, name: str, attached: bool, keep: bool) -> None:
    """The release attaches that adapter to a model without a tower, unless the configuration unfreezes the tower."""
    parts = release.random_parts()
    src = release.write_stage2(tmp_path / "src", parts, unfreeze_mm_vision_tower=attached)
    a, b = torch.randn(4, 32), torch.randn(32, 4)
    both = parts.llm_lora | {name: (a, b)}
    release.write_weights(src, release.lora_weights(both, "base_model.model."), "adapter_model")
    out = convert(src, tmp_path / "out", keep_lora=keep, **folders(tmp_path, parts))
    expected = parts.merged_tower()[f"{LAYER}.weight"]
    if attached and name == REACHED:
        expected = expected + 2.0 * b @ a
    torch.testing.assert_close(query(out), expected, rtol=0, atol=1e-5)
    left = json.loads((out / "provenance.json").read_text())["adapters"]["language model"]["tensors_not_used"]
    assert left == (0 if attached and name == REACHED else 2)


def test_an_adapted_tower_without_its_adapter_is_not_accepted(tmp_path: Path) -> None:
    parts = release.random_parts()
    vit_lora, parts.vit_lora = parts.vit_lora, {}
    src = release.write_stage2(tmp_path / "src", parts)
    both = parts.llm_lora | {NESTED: vit_lora[LAYER]}
    release.write_weights(src, release.lora_weights(both, "base_model.model."), "adapter_model")
    with pytest.raises(CheckpointError, match="its vision tower was adapted, but Vit-lora/ is missing"):
        convert(src, tmp_path / "out", **folders(tmp_path, parts))


def test_without_adapters_there_is_nothing_to_keep(tmp_path: Path) -> None:
    parts = release.random_parts(lora=False)
    src = release.write_stage1(tmp_path / "src", parts)
    with pytest.raises(CheckpointError, match="has no adapters to keep; leave out --keep-lora"):
        convert(src, tmp_path / "out", keep_lora=True, **folders(tmp_path, parts))
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"use_dora": True}, "use_dora = True"),
        ({"bias": "lora_only"}, "bias is 'lora_only'"),
        ({"lora_bias": True}, "lora_bias = True"),
        ({"modules_to_save": ["embed_tokens"]}, r"modules_to_save = \['embed_tokens'\]"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa'"),
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'"),
        ({"a_setting_of_tomorrow": 3}, "a_setting_of_tomorrow = 3"),
        ({"r": 5}, "rank 5"),
        ({"lora_alpha": None}, "lora_alpha is None"),
    ],
)
def test_settings_that_are_not_plain_lora_are_refused(tmp_path: Path, settings: dict[str, Any], told: str) -> None:
    parts = release.random_parts()
    src = release.write_stage2(tmp_path / "src", parts)
    change_settings(src, **settings)
    with pytest.raises(CheckpointError, match=told):
        convert(src, tmp_path / "out", **folders(tmp_path, parts))


def test_keys_that_are_no_pairs_are_listed(tmp_path: Path) -> None:
    parts = release.random_parts()
    src = release.write_stage2(tmp_path / "src", parts)
    weights = release.lora_weights(parts.llm_lora, "base_model.model.")
    del weights["base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"]
    weights["base_model.model.model.layers.0.mlp.up_proj.lora_magnitude_vector"] = torch.ones(2)
    release.write_weights(src, weights, "adapter_model")
    with pytest.raises(CheckpointError) as caught:
        convert(src, tmp_path / "out", **folders(tmp_path, parts))
    assert "2 keys that are no LoRA" in str(caught.value)
    assert "layers.0.mlp.up_proj.lora_magnitude_vector" in str(caught.value)
    assert "layers.1.mlp.up_proj (one half of its pair)" in str(caught.value)


def test_pairs_of_layers_that_the_model_lacks_are_listed(tmp_path: Path) -> None:
    parts = release.random_parts()
    src = release.write_stage2(tmp_path / "src", parts)
    more = parts.llm_lora | {"model.layers.7.mlp.up_proj": parts.llm_lora["model.layers.0.mlp.up_proj"]}
    more["model.layers.0.mlp.up_proj"] = (torch.ones(4, 3), torch.ones(64, 4))
    release.write_weights(src, release.lora_weights(more, "base_model.model."), "adapter_model")
    with pytest.raises(CheckpointError) as caught:
        convert(src, tmp_path / "out", **folders(tmp_path, parts))
    assert "1 unused: the LoRA of model.language_model.layers.7.mlp.up_proj.weight" in str(caught.value)
    assert "the LoRA of model.language_model.layers.0.mlp.up_proj.weight is 64×3 for 64×48" in str(caught.value)
