"""Which weights learn, and what folding adapters in gives."""

from __future__ import annotations

import pytest
import tiny_sqllava as tiny
import torch
from torch import nn

from sqllava.training.lora import merged, prepare_parts, scalings, used_layers
from sqllava.training.recipe import Lora, Trained

IN_FULL = Trained(learning_rate=1.0)


def adapters(r: int, alpha: float) -> Trained:
    return Trained(learning_rate=1.0, lora=Lora(r=r, alpha=alpha))


def learning(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_every_linear_that_reaches_the_loss_gets_an_adapter() -> None:
    model = tiny.model(vision_feature_layer=-2)
    linear = {n for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    prepare_parts(model, {"language_model": adapters(4, 8), "vision_tower": adapters(2, 2)})
    adapted = {name.split(".lora_")[0] for name in learning(model)}
    assert used_layers(model) == 2  # of 3: the features are the hidden state before the last layer
    unused = {name for name in linear if "encoder.layers.2." in name}
    inside = {n for n in linear if "language_model" in n or "vision_tower" in n}
    assert adapted == inside - unused
    assert all(".lora_" in name for name in learning(model))
    ranks = {p.shape[0] for n, p in model.named_parameters() if "lora_A" in n and "vision_tower" in n}
    assert ranks == {2}


def test_parts_in_full_and_what_never_reaches_the_loss() -> None:
    model = tiny.model(vision_feature_layer=-2)
    parameters = prepare_parts(model, {"projector": IN_FULL, "vision_tower": IN_FULL, "language_model": IN_FULL})
    names = learning(model)
    assert "lm_head.weight" in names
    assert not [n for n in names if "ln_1" in n or "post_layernorm" in n or "encoder.layers.2." in n]
    assert [n for n in names if "encoder.layers.1." in n]
    assert {len(parameters[part]) > 0 for part in parameters} == {True}


def test_tied_embeddings_are_one_parameter() -> None:
    model = tiny.model(tie_word_embeddings=True)
    found = prepare_parts(model, {"language_model": IN_FULL})["language_model"]
    assert len(found) == len({id(p) for p in found})


def test_frozen_weights_stay_in_half_precision_and_learning_ones_are_float32() -> None:
    model = tiny.model().to(torch.bfloat16)
    prepare_parts(model, {"language_model": adapters(4, 8), "projector": IN_FULL})
    for parameter in model.parameters():
        assert parameter.dtype == (torch.float32 if parameter.requires_grad else torch.bfloat16)


@pytest.mark.parametrize(("r", "alpha"), [(4, 8.0), (3, 16.0)])
def test_merging_is_w_plus_alpha_over_r_times_b_a(r: int, alpha: float) -> None:
    model = tiny.model()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    prepare_parts(model, {"language_model": adapters(r, alpha), "vision_tower": adapters(r, alpha)})
    low = {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_" in name:
                parameter.normal_()
                low[name] = parameter
    folded = dict(merged(model.state_dict(), scalings(model)))
    assert set(folded) == set(before)
    touched = {name.split(".lora_A")[0] for name in low if "lora_A" in name}
    for name, weight in folded.items():
        layer = name.removesuffix(".weight")
        if layer in touched:
            a, b = low[f"{layer}.lora_A.default.weight"], low[f"{layer}.lora_B.default.weight"]
            torch.testing.assert_close(weight, before[name] + alpha / r * b @ a)
        else:
            assert torch.equal(weight, before[name])


def test_merged_weights_answer_as_the_adapters_do() -> None:
    model = tiny.model()
    prepare_parts(model, {"language_model": adapters(4, 8)})
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_" in name:
                parameter.normal_(std=0.2)
        ids = torch.randint(5, 200, (2, 12), generator=torch.Generator().manual_seed(0))
        expected = model.eval()(input_ids=ids).logits
        plain = tiny.model()
        plain.load_state_dict(dict(merged(model.state_dict(), scalings(model))))
        torch.testing.assert_close(plain.eval()(input_ids=ids).logits, expected, rtol=1e-4, atol=1e-4)
