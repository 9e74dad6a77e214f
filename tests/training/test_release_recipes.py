"""The recipes of the release, as they are, to their first optimizer step: random base models of reduced size, data laid
out as LLaVA's is, the tokenizer that Vicuna has."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

from sqllava import load
from sqllava.info import inspect
from sqllava.training.recipe_file import load_recipe, override
from sqllava.training.run import train

SPREAD = 0.02
"""Standard deviation of the random language models' weights."""
NARROW = {
    "text": {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_hidden_layers": 2},
    "vision": {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_hidden_layers": 3},
}
SHALLOW = {
    "text": {"hidden_size": 4096, "intermediate_size": 11008, "num_attention_heads": 32, "num_hidden_layers": 1},
    "vision": {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 3},
}
"""Vicuna 7B and CLIP ViT-L/14 but for their depth."""
SMALLER = ("stages.0.epochs=null", "stages.0.steps=1", "workers=0", "log_every=1")

CONVERSATION = ["What is the man in the picture holding?", "A racket.", "Is he playing tennis?", "Yes, on grass.",
                "Which season is it?", "It could be summer."]  # fmt: skip


def base_models(folder: Path, shape: dict[str, dict[str, int]]) -> list[str]:
    """Random weights under the names and in the files of Vicuna and CLIP; gives the settings that name them."""
    torch.manual_seed(0)
    text = LlamaConfig(**shape["text"], vocab_size=32000, max_position_embeddings=4096, initializer_range=SPREAD)
    LlamaForCausalLM(text).to(torch.bfloat16).save_pretrained(folder / "vicuna")
    spec = find_spec("wordllama")
    assert spec is not None
    assert spec.origin is not None
    tokenizer = Path(spec.origin).parent / "tokenizers" / "l2_supercat_tokenizer_config.json"
    (folder / "vicuna" / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "legacy": False}
    settings = json.dumps({"tokenizer_class": "LlamaTokenizer", **special})
    (folder / "vicuna" / "tokenizer_config.json").write_text(settings)
    CLIPVisionModel(CLIPVisionConfig(**shape["vision"], image_size=336, patch_size=14)).save_pretrained(folder / "clip")
    return [f"model.language_model={folder / 'vicuna'}", f"model.vision_tower={folder / 'clip'}"]


def playground(folder: Path, samples: int) -> Path:
    """Both stages' files where LLaVA's scripts expect them, with a few samples each."""
    pretrain, mix = [], []
    random = np.random.default_rng(0)
    for number in range(samples):
        picture = Image.fromarray(random.integers(0, 256, (120, 160, 3), dtype=np.uint8))
        inside = f"00{number:03d}/{number:09d}.jpg"
        outside = f"{('coco/train2017', 'gqa/images', 'ocr_vqa/images', 'vg/VG_100K')[number % 4]}/{number}.jpg"
        for path in (f"LLaVA-Pretrain/images/{inside}", outside):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            picture.save(folder / path)
        told = [{"from": "human", "value": "Describe it.\n<image>"}, {"from": "gpt", "value": f"a red bus, {number}"}]
        pretrain.append({"id": f"{number:09d}", "image": inside, "conversations": told})
        turns = [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate(CONVERSATION)]
        if number % 4 == 3:
            mix.append({"id": f"t{number}", "conversations": turns})  # of ShareGPT: text alone
        else:
            turns[0]["value"] = f"<image>\n{turns[0]['value']}"
            mix.append({"id": str(number), "image": outside, "conversations": turns})
    (folder / "LLaVA-Pretrain/blip_laion_cc_sbu_558k.json").write_text(json.dumps(pretrain))
    (folder / "llava_v1_5_mix665k.json").write_text(json.dumps(mix))
    return folder


def first_step(recipe: str, root: Path, out: Path, settings: list[str]) -> dict[str, Any]:
    """Run one step of the packaged recipe; gives its line of the journal."""
    plan = override(load_recipe(recipe), [f"data={root}", *SMALLER, *settings])
    train(plan, root, out, quiet=True, cpu=True)
    (line,) = [json.loads(text) for text in (out / "train.jsonl").read_text("utf-8").splitlines()]
    return dict(line)


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    assert set(before) == set(after)
    return {name for name in before if not torch.equal(before[name], after[name])}


def both_stages(tmp_path: Path, shape: dict[str, dict[str, int]], size: str, settings: list[str], samples: int) -> None:
    root = playground(tmp_path / "data", samples)
    one, two = tmp_path / "pretrain", tmp_path / "finetune"
    bases = base_models(tmp_path, shape)
    line = first_step(f"pretrain-{size}", root, one, [*bases, *settings])
    assert line["lr"] == {"projector": 1e-3, "vision_tower": 2e-4}
    # A language model that knows nothing: logits are independent with variance H·σ², on top of ln V.
    blank = math.log(32000) + shape["text"]["hidden_size"] * SPREAD**2 / 2
    assert line["loss"] == pytest.approx(blank, rel=0.03)
    aligned, language = load_file(one / "model.safetensors"), load_file(tmp_path / "vicuna" / "model.safetensors")
    for name, weight in language.items():
        kept = aligned[name.replace("model.", "model.language_model.", 1)]
        assert torch.equal(kept[: len(weight)], weight), name  # frozen; the rows of <image> come after
    assert inspect(one).parts["vision tower"].trained == "LoRA r 64, alpha 128"

    line = first_step(f"finetune-{size}", root, two, [f"model.checkpoint={one}", *settings])
    assert line["lr"] == {"language_model": 2e-4, "vision_tower": 2e-5, "projector": 2e-5}
    assert line["loss"] == pytest.approx(blank, rel=0.03)
    assert {"loss_answer", "loss_question"} <= set(line)  # some turns became the model's own
    moved = changed(aligned, load_file(two / "model.safetensors"))
    parts = {name.split(".")[1] for name in moved}
    assert parts == {"language_model", "vision_tower", "multi_modal_projector"}
    assert all(
        name.endswith(("_proj.weight", ".fc1.weight", ".fc2.weight")) for name in moved if "projector" not in name
    )
    layers = {(name.split(".")[1], name.split(".layers.")[1].split(".")[0]) for name in moved if ".layers." in name}
    used = shape["vision"]["num_hidden_layers"] - 1  # the features are the state before the last
    assert layers == {
        *(("language_model", str(i)) for i in range(shape["text"]["num_hidden_layers"])),
        *(("vision_tower", str(i)) for i in range(used)),
    }
    model, processor = load(two, device="cpu")
    assert (model.config.num_prototypes, processor.image_seq_length) == (256, 576)
    assert model.config.text_config.vocab_size == 32064


@pytest.mark.parametrize("size", ["7b", pytest.param("13b", marks=pytest.mark.slow)])
def test_the_release_recipes_run_to_their_first_step(tmp_path: Path, size: str) -> None:
    """All the recipes' own settings but for compiled blocks, the batch, and the models' size."""
    settings = ["compile=false", "stages.0.batch_size=8", "stages.0.micro_batch_size=4"]
    both_stages(tmp_path, NARROW, size, settings, samples=16)


@pytest.mark.slow
def test_7b_wide_and_shallow(tmp_path: Path) -> None:
    """Full width, compiled, with one layer of Vicuna's 32 and three of CLIP's 24."""
    both_stages(tmp_path, SHALLOW, "7b", ["stages.0.batch_size=4", "stages.0.micro_batch_size=2"], samples=8)
