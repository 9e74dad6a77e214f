"""Choosing the next token: what may be chosen, and how often."""

from __future__ import annotations

import pytest
import torch

from sqllava.inference.sampling import Sampling, choose

PROBS = torch.tensor([0.05, 0.4, 0.1, 0.25, 0.2])
LOGITS = PROBS.log()[None]
GRID = (torch.arange(2000) + 0.5) / 2000


def shares(sampling: Sampling) -> torch.Tensor:
    """How often each token is chosen, by evenly spaced draws: its probability up to 1/2000."""
    tokens = choose(LOGITS.repeat(len(GRID), 1), sampling, GRID)
    return torch.bincount(tokens, minlength=5) / len(GRID)


def test_greedy_takes_the_largest() -> None:
    assert choose(LOGITS, Sampling()).tolist() == [1]


def test_temperature_one_follows_the_probabilities() -> None:
    torch.testing.assert_close(shares(Sampling(1.0)), PROBS, atol=1e-3, rtol=0)


def test_temperature_raises_to_a_power() -> None:
    expected = PROBS**2 / (PROBS**2).sum()
    torch.testing.assert_close(shares(Sampling(0.5)), expected, atol=1e-3, rtol=0)


def test_top_k_renormalises_the_largest() -> None:
    expected = torch.tensor([0, 0.4, 0, 0.25, 0]) / 0.65
    torch.testing.assert_close(shares(Sampling(1.0, top_k=2)), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("top_p", "kept"), [(0.3, [1]), (0.41, [1, 3]), (0.66, [1, 3, 4]), (0.99, [0, 1, 2, 3, 4])])
def test_top_p_keeps_the_smallest_set_that_reaches_p(top_p: float, kept: list[int]) -> None:
    expected = torch.zeros(5)
    expected[kept] = PROBS[kept] / PROBS[kept].sum()
    torch.testing.assert_close(shares(Sampling(1.0, top_p=top_p)), expected, atol=1e-3, rtol=0)


def test_top_p_comes_after_top_k() -> None:
    # Of the two kept by top-k, .4/.65 = .615 alone reaches .6.
    assert shares(Sampling(1.0, top_k=2, top_p=0.6)).tolist() == [0, 1, 0, 0, 0]


def test_the_largest_draw_stays_inside() -> None:
    just_below_one = torch.tensor([1 - 2**-24])
    assert choose(LOGITS, Sampling(1.0, top_k=3), just_below_one).tolist() == [4]


@pytest.mark.parametrize("bad", [{"temperature": -1}, {"top_k": -1}, {"top_p": 0}, {"top_p": 1.5}])
def test_impossible_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="sampling needs"):
        Sampling(**bad)  # type: ignore[arg-type]
