"""LLaVA-1.5 through the converter is transformers' own LLaVA."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import release_layouts as release
import torch
from tokenizers import AddedToken, Tokenizer
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

import sqllava
from sqllava.conversion.convert import convert

IMAGE = 300
IDS = torch.tensor([[1, 7, *[IMAGE] * release.PATCHES, 20, 30, 40, 50]])


def llava(rows: int = 320) -> LlavaForConditionalGeneration:
    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**release.VISION),
        text_config=LlamaConfig(**{**release.TEXT, "vocab_size": rows, "initializer_range": 0.3}),
        image_token_index=IMAGE,
        image_seq_length=release.PATCHES,
    )
    return LlavaForConditionalGeneration(config).eval()


def write_hub_folder(folder: Path, model: LlavaForConditionalGeneration, names: str, kind: str, shards: int) -> Path:
    """Weights under the names of transformers 4 (as on the hub) or 5, with the tokenizer that has ``<image>``."""
    model.config.save_pretrained(folder)
    weights = model.state_dict()
    if names == "old":
        renamed = {}
        for name, tensor in weights.items():
            name = name.replace("model.language_model.", "language_model.model.")
            name = name.replace("model.vision_tower.", "vision_tower.vision_model.")
            name = name.replace("model.multi_modal_projector.", "multi_modal_projector.")
            renamed[name.replace("lm_head.", "language_model.lm_head.")] = tensor
        weights = renamed
    release.write_weights(folder, weights, "model" if kind == "safetensors" else "pytorch_model", kind, shards)
    backend = Tokenizer.from_str(release.tokenizer_file())
    backend.add_special_tokens([AddedToken("<image>", special=True), AddedToken("<pad>", special=True)])
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder)
    return folder


def logits(model: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS, pixel_values=pixels, attention_mask=torch.ones_like(IDS)).logits
    return found


@pytest.mark.parametrize("names", ["old", "new"])
@pytest.mark.parametrize(("kind", "shards"), [("safetensors", 1), ("safetensors", 2), ("bin", 1)])
def test_transformers_own_folder(tmp_path: Path, names: str, kind: str, shards: int) -> None:
    model, pixels = llava(), torch.randn(1, 3, 24, 24)
    src = write_hub_folder(tmp_path / "src", model, names, kind, shards)
    converted, processor = sqllava.load(convert(src, tmp_path / "out"), device="cpu")
    assert processor.image_token_id == IMAGE
    assert logits(converted, pixels).equal(logits(model, pixels))


def test_what_save_pretrained_writes(tmp_path: Path) -> None:
    model, pixels = llava(), torch.randn(1, 3, 24, 24)
    src = write_hub_folder(tmp_path / "src", model, "new", "safetensors", 1)
    (src / "model.safetensors").unlink()
    model.save_pretrained(src)
    converted, _ = sqllava.load(convert(src, tmp_path / "out"), device="cpu")
    assert logits(converted, pixels).equal(logits(model, pixels))


def test_the_original_layout_of_the_same_model(tmp_path: Path) -> None:
    """`mlp2x_gelu` under LLaVA's names, vocabulary of 300 without ``<image>``."""
    parts, pixels = release.random_parts("mlp2x_gelu", lora=False), torch.randn(1, 3, 24, 24)
    tower = release.write_tower(tmp_path / "tower", parts)
    src = release.write_full(tmp_path / "src", parts)
    converted, processor = sqllava.load(convert(src, tmp_path / "out", vision_tower=tower), device="cpu")

    reference = llava(rows=converted.config.text_config.vocab_size)
    weights = reference.state_dict()
    for name, tensor in parts.language.items():
        name = name if name.startswith("lm_head") else name.replace("model.", "model.language_model.", 1)
        weights[name][: len(tensor)] = tensor
    weights |= release.prefixed("model.vision_tower.", parts.tower)
    for ours, theirs in (("0", "linear_1"), ("2", "linear_2")):
        for part in ("weight", "bias"):
            weights[f"model.multi_modal_projector.{theirs}.{part}"] = parts.projector[f"{ours}.{part}"]
    reference.load_state_dict(weights)
    assert processor.image_token_id == IMAGE
    torch.testing.assert_close(logits(converted, pixels)[..., :300], logits(reference, pixels)[..., :300])


def test_a_tied_head_is_stored_once(tmp_path: Path) -> None:
    parts, pixels = release.random_parts("mlp2x_gelu", lora=False), torch.randn(3, 24, 24)
    parts.language["lm_head.weight"] = parts.language["model.embed_tokens.weight"]
    src, tower = release.write_full(tmp_path / "src", parts), release.write_tower(tmp_path / "tower", parts)
    config = json.loads((src / "config.json").read_text())
    (src / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    converted, _ = sqllava.load(convert(src, tmp_path / "out", vision_tower=tower), device="cpu")
    expected = release.expected_logits(parts, [1, 7], pixels, [20, 30, 40, 50])
    torch.testing.assert_close(logits(converted, pixels[None])[0, :, :300], expected, rtol=1e-4, atol=1e-4)
