"""Every layout of the release converts to weights W + (α/r)·B·A, and to the logits that its tensors give."""

from __future__ import annotations

from pathlib import Path

import pytest
import release_layouts as release
import torch
from release_layouts import Parts
from transformers import AutoConfig

import sqllava
from sqllava.checkpoints import quiet_transformers
from sqllava.conversion.convert import convert


def assert_equal(out: Path, parts: Parts) -> None:
    """Weights and logits of a converted folder are those of `parts`."""
    model, processor = sqllava.load(out, device="cpu", dtype="float32")
    have = model.state_dict()
    want = {name.removeprefix("model."): tensor for name, tensor in parts.merged_language().items()}
    head = want.pop("lm_head.weight")
    torch.testing.assert_close(have["lm_head.weight"][: len(head)], head, rtol=0, atol=1e-6)
    for name, tensor in want.items():
        found = have[f"model.language_model.{name}"][: len(tensor)]
        torch.testing.assert_close(found, tensor, rtol=0, atol=1e-6, msg=name)
    for name, tensor in parts.merged_tower().items():
        torch.testing.assert_close(have[f"model.vision_tower.{name}"], tensor, rtol=0, atol=1e-6, msg=name)

    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(3, 24, 24, generator=generator)
    before = [1, *torch.randint(3, 300, (5,), generator=generator).tolist()]
    after = torch.randint(3, 300, (7,), generator=generator).tolist()
    ids = torch.tensor([[*before, *[processor.image_token_id] * release.PATCHES, *after]])
    with torch.no_grad():
        logits = model(input_ids=ids, pixel_values=pixels[None], attention_mask=torch.ones_like(ids)).logits[0]
    expected = release.expected_logits(parts, before, pixels, after)
    torch.testing.assert_close(logits[:, : expected.shape[1]], expected, rtol=1e-4, atol=2e-4)
    assert logits.argmax(-1).equal(expected.argmax(-1)), "a token beyond the release's vocabulary won"


@pytest.mark.parametrize("projector", ["cluster", "mlp2x_gelu"])
@pytest.mark.parametrize("kind", ["bin", "safetensors"])
def test_stage_2_adapters_are_merged(tmp_path: Path, projector: str, kind: str) -> None:
    parts = release.random_parts(projector)
    src = release.write_stage2(tmp_path / "src", parts, kind)
    base = release.write_base(tmp_path / "base", parts, kind)
    tower = release.write_tower(tmp_path / "tower", parts, kind)
    out = convert(src, tmp_path / "out", base=base, vision_tower=tower)
    assert out == tmp_path / "out"
    assert_equal(out, parts)


@pytest.mark.parametrize("prefix", ["base_model.model.", "base_model.", "", "model.", "base_model.model.model."])
def test_stage_2_under_other_prefixes(tmp_path: Path, prefix: str) -> None:
    parts = release.random_parts()
    src = release.write_stage2(tmp_path / "src", parts, prefix=prefix)
    base, tower = release.write_base(tmp_path / "base", parts), release.write_tower(tmp_path / "tower", parts)
    assert_equal(convert(src, tmp_path / "out", base=base, vision_tower=tower), parts)


@pytest.mark.parametrize(
    "prefix",
    ["base_model.model.vision_model.", "vision_tower.vision_model.", "vision_model.", "", "base_model.model."],
)
def test_vision_adapter_under_other_prefixes(tmp_path: Path, prefix: str) -> None:
    parts = release.random_parts()
    src = release.write_stage2(tmp_path / "src", parts, vit_prefix=prefix)
    base, tower = release.write_base(tmp_path / "base", parts), release.write_tower(tmp_path / "tower", parts)
    assert_equal(convert(src, tmp_path / "out", base=base, vision_tower=tower), parts)


@pytest.mark.parametrize(("kind", "shards"), [("bin", 3), ("safetensors", 3)])
def test_a_base_in_shards(tmp_path: Path, kind: str, shards: int) -> None:
    parts = release.random_parts()
    src = release.write_stage2(tmp_path / "src", parts)
    base = release.write_base(tmp_path / "base", parts, kind, shards)
    tower = release.write_tower(tmp_path / "tower", parts)
    assert_equal(convert(src, tmp_path / "out", base=base, vision_tower=tower), parts)


def test_shards_without_their_index(tmp_path: Path) -> None:
    parts = release.random_parts()
    src = release.write_full(tmp_path / "src", parts, shards=2)
    (src / "pytorch_model.bin.index.json").unlink()
    tower = release.write_tower(tmp_path / "tower", parts)
    parts.vit_lora = {}  # not part of a merged checkpoint without its tower
    assert_equal(convert(src, tmp_path / "out", vision_tower=tower), parts)


@pytest.mark.parametrize("prefix", ["vision_model.", "", "model.vision_tower.vision_tower.vision_model."])
@pytest.mark.parametrize("whole", [True, False])
def test_the_tower_may_be_a_whole_clip(tmp_path: Path, prefix: str, whole: bool) -> None:
    parts = release.random_parts()
    src, base = release.write_stage2(tmp_path / "src", parts), release.write_base(tmp_path / "base", parts)
    tower = release.write_tower(tmp_path / "tower", parts, prefix=prefix, whole=whole)
    assert_equal(convert(src, tmp_path / "out", base=base, vision_tower=tower), parts)


@pytest.mark.parametrize("projector", ["cluster", "mlp2x_gelu"])
@pytest.mark.parametrize("vit", [True, False])
def test_stage_1_is_a_projector_over_its_base(tmp_path: Path, projector: str, vit: bool) -> None:
    parts = release.random_parts(projector)
    parts.llm_lora = {}
    parts.vit_lora = parts.vit_lora if vit else {}
    src, base = release.write_stage1(tmp_path / "src", parts), release.write_base(tmp_path / "base", parts)
    tower = release.write_tower(tmp_path / "tower", parts)
    assert_equal(convert(src, tmp_path / "out", base=base, vision_tower=tower), parts)


@pytest.mark.parametrize("projector", ["cluster", "mlp2x_gelu"])
@pytest.mark.parametrize(("kind", "shards"), [("bin", 1), ("bin", 2), ("safetensors", 1), ("safetensors", 2)])
@pytest.mark.parametrize("inside", [True, False])
def test_full_weights(tmp_path: Path, projector: str, kind: str, shards: int, inside: bool) -> None:
    parts = release.random_parts(projector)
    if not inside:
        parts.vit_lora = {}
    src = release.write_full(tmp_path / "src", parts, kind, shards, tower=inside)
    # The tower's folder gives the configuration; its weights must lose against those inside.
    other = release.random_parts(projector, seed=5)
    tower = release.write_tower(tmp_path / "tower", other if inside else parts)
    assert_equal(convert(src, tmp_path / "out", vision_tower=tower), parts)


def test_a_base_that_is_a_llava_lends_its_language_model_alone(tmp_path: Path) -> None:
    """ShareGPT4V's base: its own projector is of another kind, its own tower is another than the one given."""
    parts, other = release.random_parts(), release.random_parts("mlp2x_gelu", seed=3)
    src = release.write_stage2(tmp_path / "src", parts)
    extra = release.prefixed("model.mm_projector.", other.projector)
    extra |= release.prefixed("model.vision_tower.vision_tower.vision_model.", other.tower)
    base = release.write_base(tmp_path / "base", parts, **extra)
    tower = release.write_tower(tmp_path / "tower", parts)
    assert_equal(convert(src, tmp_path / "out", base=base, vision_tower=tower), parts)


def test_weights_that_were_unfrozen_replace_those_of_the_base(tmp_path: Path) -> None:
    parts = release.random_parts()
    src, base = release.write_stage2(tmp_path / "src", parts), release.write_base(tmp_path / "base", parts)
    tower = release.write_tower(tmp_path / "tower", parts)
    parts.language["model.norm.weight"] = torch.rand(48)
    trained = release.prefixed("base_model.model.model.mm_projector.", parts.projector)
    trained["base_model.model.model.norm.weight"] = parts.language["model.norm.weight"]
    release.write_weights(src, trained, "non_lora_trainables")
    assert_equal(convert(src, tmp_path / "out", base=base, vision_tower=tower), parts)


def test_folders_that_the_checkpoint_names_are_used(tmp_path: Path) -> None:
    parts = release.random_parts()
    base, tower = release.write_base(tmp_path / "base", parts), release.write_tower(tmp_path / "tower", parts)
    src = release.write_stage2(tmp_path / "src", parts, mm_vision_tower=str(tower))
    settings = release.lora_settings(4, 8, release.LLM_MODULES, base_model_name_or_path=str(base))
    (src / "adapter_config.json").write_text(release.json.dumps(settings))
    out = convert(src, tmp_path / "out")
    assert_equal(out, parts)
    assert str(tmp_path) not in (out / "provenance.json").read_text()


def test_settings_come_from_the_release(tmp_path: Path) -> None:
    parts = release.random_parts()
    src = release.write_stage2(
        tmp_path / "src", parts, image_aspect_ratio="square", mm_vision_select_feature="cls_patch"
    )
    base, tower = release.write_base(tmp_path / "base", parts), release.write_tower(tmp_path / "tower", parts)
    out = convert(src, tmp_path / "out", base=base, vision_tower=tower)
    with quiet_transformers():
        config = AutoConfig.from_pretrained(out)
        _, processor = sqllava.load(out, device="cpu")
    assert config.model_type == "sqllava"
    assert (config.projector_type, config.num_prototypes, config.num_iterations) == ("cluster", 256, 2)
    assert config.vision_feature_layer == -2
    assert (config.vision_feature_select_strategy, config.image_seq_length) == ("full", 10)
    assert config.image_aspect_ratio == processor.image_processor.image_aspect_ratio == "crop"
    assert config.conversation_template == "v1"
    assert config.text_config.rms_norm_eps == 1e-5
    assert config.image_token_id == processor.image_token_id


@pytest.mark.parametrize("dtype", ["keep", "float16", "bfloat16", "float32"])
def test_stored_types(tmp_path: Path, dtype: str) -> None:
    """ "keep" rounds a merged weight to its base's type once, from float32, and leaves the tower in float32."""
    parts = release.random_parts()
    parts.dtype = torch.float16
    src, base = release.write_stage2(tmp_path / "src", parts), release.write_base(tmp_path / "base", parts)
    tower = release.write_tower(tmp_path / "tower", parts)
    out = convert(src, tmp_path / "out", base=base, vision_tower=tower, dtype=dtype)
    parts.language = {name: tensor.half().float() for name, tensor in parts.language.items()}
    with release.safe_open(out / "model.safetensors", "pt") as file:
        query = file.get_tensor("model.language_model.layers.1.self_attn.q_proj.weight")
        fc1 = file.get_tensor("model.vision_tower.encoder.layers.1.mlp.fc1.weight")
    one, two = (torch.float16, torch.float32) if dtype == "keep" else (getattr(torch, dtype),) * 2
    assert query.dtype == one
    assert fc1.dtype == two
    assert query.equal(parts.merged_language()["model.layers.1.self_attn.q_proj.weight"].to(one))
    assert fc1.equal(parts.merged_tower()["encoder.layers.1.mlp.fc1.weight"].to(two))
