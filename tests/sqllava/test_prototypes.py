"""The prototype extractor against an independent, slow transcription of its specification in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sqllava import PrototypeProjector


def by_the_book(p: dict[str, Tensor], x: Tensor, prototypes: int, iterations: int) -> Tensor:
    """One image (L×D), token by token, with the N×L×D broadcasts that the released code forms."""

    def linear(name: str, t: Tensor) -> Tensor:
        return t @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def pool(t: Tensor) -> Tensor:
        count = len(t)
        bounds = [(i * count // prototypes, -(-(i + 1) * count // prototypes)) for i in range(prototypes)]
        return torch.stack([t[a:b].mean(0) for a, b in bounds])

    values, features = linear("v", x), linear("f", x)
    value_norms = values.pow(2).sum(0).sqrt()  # one norm a feature, over the tokens
    centres = pool(x)
    for _ in range(iterations):
        centres = linear("c", centres)
        unit = centres / centres.norm(dim=1, keepdim=True)
        similarity = unit @ (values / value_norms).T
        weights = similarity.exp() / similarity.exp().sum(0, keepdim=True)
        centres = (weights[:, :, None] * features[None]).sum(1)
    cosine = torch.stack([torch.nn.functional.cosine_similarity(row[None], x, dim=1) for row in centres])
    attention = 1 / (1 + torch.exp(-(p["sim_beta"][0] + p["sim_alpha"][0] * cosine)))
    mask = torch.zeros_like(attention)
    for token in range(len(x)):
        mask[attention[:, token].argmax(), token] = 1
    attention = attention * mask
    gathered = (attention[:, :, None] * features[None]).sum(1)
    aggregated = (gathered + pool(features)) / (mask.sum(1, keepdim=True) + 1)
    z = x + (aggregated[:, None] * attention[:, :, None]).sum(0)
    hidden = linear("mlp.0", z)
    return linear("mlp.2", hidden / (1 + torch.exp(-1.702 * hidden)))


def projector(width: int, out: int, prototypes: int, iterations: int, seed: int = 0) -> PrototypeProjector:
    torch.manual_seed(seed)
    module = PrototypeProjector(width, out, prototypes, iterations)
    with torch.no_grad():
        module.sim_alpha.fill_(1.7)
        module.sim_beta.fill_(-0.4)
    return module


@pytest.mark.parametrize(
    ("tokens", "prototypes", "iterations"), [(36, 8, 2), (30, 7, 1), (25, 24, 3), (16, 16, 2), (12, 5, 0)]
)
def test_values_and_gradients_follow_the_specification(tokens: int, prototypes: int, iterations: int) -> None:
    module = projector(10, 14, prototypes, iterations, seed=tokens)
    x = torch.randn(3, tokens, 10, requires_grad=True)
    weight = torch.randn(3, tokens, 14)
    out = module(x)
    (out * weight).sum().backward()

    exact = {name: value.detach().double().requires_grad_() for name, value in module.named_parameters()}
    x64 = x.detach().double().requires_grad_()
    expected = torch.stack([by_the_book(exact, image, prototypes, iterations) for image in x64])
    (expected * weight).sum().backward()

    torch.testing.assert_close(out.double(), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(x.grad.double(), x64.grad, rtol=1e-3, atol=1e-4)
    for name, value in module.named_parameters():
        if name.startswith("ln_1") or exact[name].grad is None:
            assert value.grad is None, name  # stored, never applied (c is unused without iterations)
        else:
            torch.testing.assert_close(value.grad.double(), exact[name].grad, rtol=1e-3, atol=1e-3, msg=name)


def test_parameter_names_are_those_of_released_checkpoints() -> None:
    expected = {"sim_alpha", "sim_beta"} | {
        f"{layer}.{kind}" for layer in ("c", "v", "f", "ln_1", "mlp.0", "mlp.2") for kind in ("weight", "bias")
    }
    module = PrototypeProjector(8, 12)
    assert set(module.state_dict()) == expected
    assert module.sim_alpha.tolist() == [[[1.0]]]
    assert module.sim_beta.tolist() == [[[0.0]]]
    assert module.num_prototypes == 256


def test_images_of_a_batch_do_not_touch_each_other() -> None:
    module = projector(10, 14, 6, 2)
    x = torch.randn(4, 20, 10)
    torch.testing.assert_close(module(x)[2:3], module(x[2:3]))


def test_more_prototypes_than_tokens() -> None:
    module = projector(10, 14, 40, 2)
    x = torch.randn(2, 9, 10, requires_grad=True)
    out = module(x)
    out.sum().backward()
    assert out.shape == (2, 9, 14)
    assert out.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision(dtype: torch.dtype, autocast: bool) -> None:
    module = projector(32, 16, 6, 2)
    x = torch.randn(2, 40, 32) * 3
    exact = module(x)
    if autocast:
        with torch.autocast("cpu", dtype=dtype):
            out = module(x)
        out.float().sum().backward()
        assert module.c.weight.grad is not None
    else:
        out = module.to(dtype)(x.to(dtype))
    assert out.dtype == dtype
    assert out.isfinite().all()
    # A few tokens near a border may choose another prototype; the bulk must agree.
    distance = (out.float() - exact).norm(dim=-1) / exact.norm(dim=-1)
    assert distance.median() < 0.02


def test_tokens_of_zero_give_no_nan() -> None:
    out = projector(10, 14, 6, 2)(torch.zeros(1, 20, 10))
    assert out.isfinite().all()


class LargestTensor(TorchDispatchMode):
    """Remembers the most elements that any operation's result had."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        results = out if isinstance(out, tuple | list) else (out,)
        self.elements = max([self.elements, *(t.numel() for t in results if isinstance(t, Tensor))])
        return out


def test_no_intermediate_is_prototypes_times_tokens_times_width() -> None:
    tokens, width, prototypes = 64, 48, 32
    module = projector(width, width, prototypes, 2)
    x = torch.randn(2, tokens, width, requires_grad=True)
    with LargestTensor() as largest:
        module(x).sum().backward()
    assert 2 * tokens * width <= largest.elements
    assert largest.elements < 2 * prototypes * tokens * width / 8
    assert largest.elements <= 2 * max(math.prod(shape) for shape in [(tokens, width), (prototypes, tokens)])


@pytest.mark.parametrize("bad", [{"num_prototypes": 0}, {"num_iterations": -1}])
def test_impossible_sizes_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="num_"):
        PrototypeProjector(8, 8, **bad)
