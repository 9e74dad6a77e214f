"""SQ-LLaVA as a transformers model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_sqllava as tiny
import torch
from PIL import Image
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from sqllava import PrototypeProjector, SqLlavaConfig, SqLlavaForConditionalGeneration

PROMPTS = [
    "USER: <image>\nIs it red? ASSISTANT:",
    "USER: hello ASSISTANT:",
    "USER: <image>\nWhat colour is the large square left of it? ASSISTANT:",
]
IMAGES = [Image.new("RGB", (30, 20), "red"), Image.effect_noise((40, 44), 90)]


def test_with_the_mlp_projector_it_is_llava() -> None:
    ours = tiny.model(projector_type="mlp2x_gelu")
    config = tiny.config()
    theirs = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=config.vision_config,
            text_config=config.text_config,
            image_token_index=config.image_token_index,
            image_seq_length=config.image_seq_length,
        )
    ).eval()
    theirs.load_state_dict(ours.state_dict())
    batch = tiny.processor()(PROMPTS, IMAGES)
    with torch.no_grad():
        torch.testing.assert_close(ours(**batch).logits, theirs(**batch).logits)
    settings: dict[str, Any] = {"max_new_tokens": 8, "do_sample": False}
    assert ours.generate(**batch, **settings).tolist() == theirs.generate(**batch, **settings).tolist()


def test_only_the_projector_differs() -> None:
    cluster, mlp = tiny.model(), tiny.model(projector_type="mlp2x_gelu")
    place = "model.multi_modal_projector"
    names = [{n for n, _ in m.named_parameters() if not n.startswith(place)} for m in (cluster, mlp)]
    assert names[0] == names[1]
    projector = cluster.get_submodule(place)
    assert isinstance(projector, PrototypeProjector)
    assert (projector.num_prototypes, projector.num_iterations) == (5, 2)
    assert projector.sim_alpha.item() == 1
    assert projector.sim_beta.item() == 0


def test_image_features_are_the_projected_hidden_state_before_the_last() -> None:
    model = tiny.model()
    pixels = torch.randn(2, 3, 24, 24)
    with torch.no_grad():
        hidden = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states[-2]
        expected = model.model.multi_modal_projector(hidden[:, 1:])  # without CLS
        torch.testing.assert_close(torch.stack(list(model.get_image_features(pixels).pooler_output)), expected)
    assert expected.shape == (2, 9, 48)


def test_batched_generation_with_left_padding_equals_rows() -> None:
    model, processor = tiny.model(), tiny.processor()
    batch = processor(PROMPTS, IMAGES)
    settings: dict[str, Any] = {"max_new_tokens": 8, "do_sample": False, "eos_token_id": None}
    together = model.generate(**batch, **settings)[:, batch["input_ids"].shape[1] :].tolist()
    images = iter(IMAGES)
    for prompt, tokens in zip(PROMPTS, together, strict=True):
        row = processor(prompt, next(images) if "<image>" in prompt else None)
        assert model.generate(**row, **settings)[0, row["input_ids"].shape[1] :].tolist() == tokens


@pytest.mark.parametrize("projector", ["cluster", "mlp2x_gelu"])
def test_saved_and_loaded_through_the_auto_classes(tmp_path: Path, projector: str) -> None:
    model = tiny.model(projector_type=projector, sees_images=False, conversation_template="v1_sq")
    model.save_pretrained(tmp_path)
    assert sorted(f.suffix for f in tmp_path.iterdir()) == [".json", ".json", ".safetensors"]
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, SqLlavaConfig)
    assert config.to_diff_dict() == model.config.to_diff_dict()
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert isinstance(loaded, SqLlavaForConditionalGeneration)
    saved = model.state_dict()
    assert loaded.state_dict().keys() == saved.keys()
    assert all(torch.equal(value, saved[name]) for name, value in loaded.state_dict().items())


def test_gradients_reach_every_part() -> None:
    model = tiny.model().train()
    batch = tiny.processor()(PROMPTS, IMAGES)
    model(**batch, labels=batch["input_ids"]).loss.backward()
    without = {name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()}
    # The last vision layer comes after the hidden state that is used; ln_1 is stored and never applied.
    unused = ("model.vision_tower.encoder.layers.2.", "model.vision_tower.post_layernorm.")
    assert {n for n in without if not n.startswith(unused)} <= {
        "model.multi_modal_projector.ln_1.weight",
        "model.multi_modal_projector.ln_1.bias",
        *(n for n in without if n.endswith("k_proj.bias")),  # softmax does not see a constant added to all keys
    }


@pytest.mark.parametrize("bad", [{"num_prototypes": 0}, {"projector_type": "linear"}, {"image_aspect_ratio": "anyres"}])
def test_impossible_configurations_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=next(iter(bad))):
        tiny.config(**bad)
