"""Models that training starts from: joined parts are the parts they were, and everything survives saving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_parts as small
import tiny_sqllava as tiny
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from small_recipe import small_recipe, training_root
from transformers import AutoModel, AutoModelForCausalLM, Dinov2WithRegistersConfig

import sqllava
from sqllava.conversation import TEMPLATES, Turn
from sqllava.errors import CheckpointError, TemplateError
from sqllava.training.build import build, tokenizer_corpus
from sqllava.training.recipe import NewModel, PretrainedParts, StartingCheckpoint
from sqllava.training.run import train

CHATML = ("<|im_start|>", "<|im_end|>")
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 33, 3), dtype=np.uint8))


def parts(language: Path | str, tower: Path | str, **settings: Any) -> PretrainedParts:
    return PretrainedParts.model_validate(
        {"source": "parts", "language_model": str(language), "vision_tower": str(tower), **settings}
    )


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.language_model(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.vision_tower(tmp_path_factory.mktemp("clip"))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", list(small.LANGUAGE))
def test_the_language_model_stays_what_it_was(tmp_path: Path, clip: Path, kind: str, tied: bool) -> None:
    folder = small.language_model(tmp_path, kind, tie_word_embeddings=tied)
    model, processor = build(parts(folder, clip))
    alone = AutoModelForCausalLM.from_pretrained(folder)
    rows = alone.config.vocab_size
    ids = torch.tensor(processor.tokenize([TEMPLATES["v1"].prompt([Turn("user", "Is it?")], image=False)]))
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits[..., :rows], alone(ids).logits, rtol=0, atol=1e-6)
    assert (model.lm_head.weight is model.get_input_embeddings().weight) == tied
    assert model.config.tie_word_embeddings == tied
    assert model.config.text_config is model.model.language_model.config


@pytest.mark.parametrize("kind", ["clip", "pair", "dinov2"])
@pytest.mark.parametrize("projector", ["cluster", "mlp2x_gelu"])
def test_the_vision_tower_stays_what_it_was(tmp_path: Path, llama: Path, kind: str, projector: str) -> None:
    folder = small.vision_tower(tmp_path, kind)
    model, _ = build(parts(llama, folder, projector={"type": projector}, vision_feature_layer=1))
    alone = AutoModel.from_pretrained(folder)
    alone = getattr(alone, "vision_model", alone)
    pixels = torch.randn(2, 3, 28, 28)
    with torch.no_grad():
        expected = alone(pixels, output_hidden_states=True).hidden_states[1][:, 1:]
        found = torch.stack(tuple(model.get_image_features(pixels).pooler_output))
        torch.testing.assert_close(found, model.model.multi_modal_projector(expected))
    assert model.config.image_seq_length == 4
    assert model.config.vision_config is model.model.vision_tower.config


@pytest.mark.parametrize("kind", ["clip", "dinov2"])
@pytest.mark.parametrize("tied", [False, True])
def test_everything_survives_saving(tmp_path: Path, kind: str, tied: bool) -> None:
    language = small.language_model(tmp_path / "language", special=CHATML, tie_word_embeddings=tied)
    tower = small.vision_tower(tmp_path / "tower", kind)
    model, processor = build(parts(language, tower, template="chatml", image_aspect_ratio="crop"))
    model.save_pretrained(tmp_path / "out")
    processor.save_pretrained(tmp_path / "out")
    again, reader = sqllava.load(tmp_path / "out", device="cpu")
    prompt = TEMPLATES["chatml"].prompt([Turn("user", "Is it?")], image=True)
    inputs, same = processor(prompt, PICTURE), reader(prompt, PICTURE)
    for key in inputs:
        torch.testing.assert_close(inputs[key], same[key], rtol=0, atol=0)
    with torch.no_grad():
        torch.testing.assert_close(again(**same).logits, model.eval()(**inputs).logits)
    assert again.config.conversation_template == "chatml"
    assert again.config.image_aspect_ratio == "crop"
    assert (again.lm_head.weight is again.get_input_embeddings().weight) == tied


def test_every_weight_takes_part_in_training(llama: Path, clip: Path) -> None:
    model, processor = build(parts(llama, clip))
    assert model.training
    inputs = processor(TEMPLATES["v1"].prompt([Turn("user", "Is it?")], image=True), PICTURE)
    model(**inputs).logits.square().mean().backward()
    still = {name for name, weight in model.named_parameters() if weight.grad is None}
    # The state before the last is used, and the projector's norm is stored but never applied.
    assert all("ln_1" in name or "layers.2." in name or "post_layernorm" in name for name in still)


def test_images_are_normalised_as_the_tower_learnt_them(llama: Path, clip: Path) -> None:
    _, processor = build(parts(llama, clip))
    colour = tuple(int(value * 255) for value in small.MEAN)
    square = Image.new("RGB", (33, 33), colour)
    square.paste(PICTURE, (0, 6))
    resized = np.asarray(square.resize((28, 28), Image.Resampling.BICUBIC), dtype=np.float64) / 255
    expected = ((resized - small.MEAN) / small.STD).transpose(2, 0, 1)
    found = processor.image_processor([PICTURE], return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_clip_tower_without_a_processor_has_clips_pixels(tmp_path: Path, llama: Path) -> None:
    model, processor = build(parts(llama, small.vision_tower(tmp_path, processor=False)))
    assert model.config.image_mean == [0.48145466, 0.4578275, 0.40821073]
    assert processor.image_processor.image_std == (0.26862954, 0.26130258, 0.27577711)


@pytest.mark.parametrize("crop", [42, {"height": 42, "width": 42}])
def test_the_processor_decides_the_size_of_images(tmp_path: Path, llama: Path, crop: Any) -> None:
    """DINOv2's configuration says 518, its processor 224: position embeddings are interpolated."""
    tower = small.vision_tower(tmp_path, "dinov2", image_size=140)
    settings = json.loads((tower / "preprocessor_config.json").read_text())
    (tower / "preprocessor_config.json").write_text(json.dumps({**settings, "crop_size": crop}))
    model, processor = build(parts(llama, tower))
    assert (model.config.image_size, model.config.image_seq_length) == (42, 9)
    assert processor("<image>", PICTURE)["pixel_values"].shape == (1, 3, 42, 42)


@pytest.mark.parametrize("tied", [False, True])
def test_the_new_token_is_never_the_likeliest(tmp_path: Path, clip: Path, tied: bool) -> None:
    folder = small.language_model(tmp_path, tie_word_embeddings=tied)
    old = load_file(folder / "model.safetensors")["model.embed_tokens.weight"]
    model, processor = build(parts(folder, clip))
    embeddings = model.get_input_embeddings().weight
    assert embeddings.shape == model.lm_head.weight.shape == (320, 48)  # 260 tokens and one, filled up
    assert model.config.text_config.vocab_size == 320
    assert processor.image_token_id == model.config.image_token_id == 260
    torch.testing.assert_close(embeddings[:260], old, rtol=0, atol=0)
    torch.testing.assert_close(embeddings[260:], old.mean(0).expand(60, -1))
    logits = torch.randn(200, 48) @ model.lm_head.weight.detach().T
    assert logits.argmax(dim=1).max() < 260


def test_spare_rows_are_used_before_new_ones(tmp_path: Path, clip: Path) -> None:
    folder = small.language_model(tmp_path, vocab_size=270)
    model, processor = build(parts(folder, clip))
    old = load_file(folder / "model.safetensors")["model.embed_tokens.weight"]
    assert processor.image_token_id == 260
    torch.testing.assert_close(model.get_input_embeddings().weight, old, rtol=0, atol=0)


def test_a_known_image_token_is_left_alone(tmp_path: Path, clip: Path) -> None:
    folder = small.language_model(tmp_path, special=("<image>",))
    model, processor = build(parts(folder, clip))
    old = load_file(folder / "model.safetensors")["model.embed_tokens.weight"]
    torch.testing.assert_close(model.get_input_embeddings().weight, old, rtol=0, atol=0)
    assert processor.image_token_id == 260


def test_frozen_weights_in_bfloat16(llama: Path, clip: Path) -> None:
    model, _ = build(parts(llama, clip), dtype=torch.bfloat16)
    kinds = {name: weight.dtype for name, weight in model.named_parameters()}
    assert {kind for name, kind in kinds.items() if "projector" in name} == {torch.float32}
    assert {kind for name, kind in kinds.items() if "projector" not in name} == {torch.bfloat16}
    assert model.model.language_model.rotary_emb.inv_freq.dtype == torch.float32
    assert not any(tensor.is_meta for tensor in [*model.parameters(), *model.buffers()])


def test_the_same_seed_draws_the_same_projector(llama: Path, clip: Path) -> None:
    drawn = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        drawn.append(build(parts(llama, clip))[0].model.multi_modal_projector.mlp[0].weight)
    torch.testing.assert_close(drawn[0], drawn[1], rtol=0, atol=0)
    assert not torch.equal(drawn[0], drawn[2])


def test_parts_that_cannot_be_joined(tmp_path: Path, llama: Path, clip: Path) -> None:
    def refused(language: Path | str, tower: Path | str, message: str, **settings: Any) -> None:
        with pytest.raises((CheckpointError, TemplateError), match=message):
            build(parts(language, tower, **settings))

    refused("./none", clip, r"model\.language_model: \./none: no such folder")
    refused(llama, tmp_path, r"model\.vision_tower: .* cannot be loaded")
    refused(clip, clip, r"model\.language_model: .* of type 'clip_vision_model'; supported: llama")
    refused(llama, llama, r"model\.vision_tower: .* of type 'llama', no vision transformer")
    refused(llama, clip, r"template chatml writes <\|im_start\|>, <\|im_end\|>.*: v1, v1_sq, plain", template="chatml")
    refused(llama, clip, r"4 hidden states; model\.vision_feature_layer: -5", vision_feature_layer=-5)
    siglip = small.vision_tower(tmp_path / "siglip", "siglip")
    refused(llama, siglip, r"shape \(1, 4, 32\); expected one CLS token and 4 patches")
    registers = tmp_path / "registers"
    settings = Dinov2WithRegistersConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    AutoModel.from_config(settings).save_pretrained(registers)
    refused(llama, registers, r"no preprocessor_config\.json, so its normalisation is unknown")
    (registers / "preprocessor_config.json").write_bytes((clip / "preprocessor_config.json").read_bytes())
    refused(llama, registers, r"shape \(1, 9, 32\); expected one CLS token and 4 patches")
    refused(llama, small.vision_tower(tmp_path / "large", image_size=56), r"cannot be used with 28-pixel images")
    broken = small.vision_tower(tmp_path / "broken")
    (broken / "preprocessor_config.json").write_text("{")
    refused(llama, broken, r"preprocessor_config\.json: is not JSON")
    (broken / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.5, 0.5], "crop_size": 28}')
    refused(llama, broken, r"needs image_mean, image_std")


@pytest.mark.parametrize("part", ["language_model", "vision_tower"])
def test_incomplete_weights_are_refused(tmp_path: Path, llama: Path, clip: Path, part: str) -> None:
    whole = {"language_model": llama, "vision_tower": clip}
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in whole[part].iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    weights = load_file(damaged / "model.safetensors")
    name = next(name for name in weights if "layers.1." in name)
    del weights[name]
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=rf"model\.{part}: .*missing weights: .*layers\.1\."):
        build(parts(**{"language": llama, "tower": clip, part.split("_")[0].replace("vision", "tower"): damaged}))


class Chat:
    turns = (Turn("user", "Is there a red circle?"), Turn("assistant", "yes"))


def new(**settings: Any) -> NewModel:
    value = {
        "source": "new", "vocab_size": 320,
        "vision": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
                   "image_size": 24, "patch_size": 8},
        "text": {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
                 "num_key_value_heads": 2, "max_position_embeddings": 512, "initializer_range": 0.06},
    }  # fmt: skip
    return NewModel.model_validate({**value, **settings})


@pytest.mark.parametrize(("template", "end"), [("v1", "</s>"), ("chatml", "<|im_end|>")])
@pytest.mark.parametrize("projector", ["cluster", "mlp2x_gelu"])
def test_a_new_model(tmp_path: Path, template: str, end: str, projector: str) -> None:
    recipe = new(template=template, projector={"type": projector})
    model, processor = build(recipe, tokenizer_corpus([Chat()] * 5))
    assert model.config.conversation_template == template
    assert model.config.projector_type == projector
    assert processor.tokenizer.eos_token == end
    assert TEMPLATES[template].end_id(processor.tokenizer) == processor.tokenizer.eos_token_id
    for name in (template, TEMPLATES[template].asking):
        system = TEMPLATES[name].system.strip()
        assert len(processor.tokenizer(system, add_special_tokens=False)["input_ids"]) <= 2
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again, _ = sqllava.load(tmp_path, device="cpu")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    with pytest.raises(ValueError, match="needs a corpus"):
        build(recipe)


def test_a_checkpoint_to_go_on_with(tmp_path: Path) -> None:
    stored = tiny.model().half()
    stored.save_pretrained(tmp_path)
    tiny.processor().save_pretrained(tmp_path)
    start = StartingCheckpoint(source="checkpoint", checkpoint=str(tmp_path))
    model, processor = build(start)
    assert model.training
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    for before, after in zip(stored.parameters(), model.parameters(), strict=True):
        assert torch.equal(before.float(), after)
    assert processor.tokenize(["a"]) == tiny.processor().tokenize(["a"])
    model, _ = build(start, dtype=torch.bfloat16)
    assert model.lm_head.weight.dtype == torch.bfloat16
    assert {weight.dtype for weight in model.model.multi_modal_projector.parameters()} == {torch.float32}


def test_the_templates_of_later_stages_are_checked_first(tmp_path: Path) -> None:
    root, out = training_root(tmp_path / "data", scenes=8), tmp_path / "out"
    with pytest.raises(TemplateError, match="template chatml_sq writes"):
        train(small_recipe("stages.self-questioning.template=chatml_sq"), root, out, quiet=True, cpu=True)
    assert not (out / "stages").exists()
