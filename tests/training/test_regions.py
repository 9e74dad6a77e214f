"""The vision tower's pretraining: which patch shows what, and a rescaling that changes nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_sqllava as tiny
import torch

from sqllava.training.conversations import TrainingDataError
from sqllava.training.grounding import PatchWords, grounding_loss
from sqllava.training.regions import (
    EMPTY_WEIGHT,
    RegionLabels,
    RegionObjective,
    read_regions,
    rescale_residual_stream,
    unit_size,
)


def test_a_patch_belongs_to_the_region_that_covers_most_of_it(tmp_path: Path) -> None:
    path = tmp_path / "regions.json"
    regions = [
        {"box": [0, 0, 12, 10], "labels": {"shape": "star"}},
        {"box": [10, 0, 10, 10], "labels": {"shape": "ring"}},
    ]
    path.write_text(json.dumps([{"image": "x.png", "labels": {"ground": "tan"}, "regions": regions}]))
    labels = read_regions(path, side=30, patch=10)
    assert labels.classes == {"ground": ["tan"], "shape": ["ring", "star"]}
    assert labels.targets["shape"].tolist() == [[2, 1, 0, 0, 0, 0, 0, 0, 0]]
    assert labels.targets["ground"].tolist() == [[1] * 9]


def test_a_record_without_regions_is_named(tmp_path: Path) -> None:
    path = tmp_path / "regions.json"
    path.write_text(json.dumps([{"image": "x.png", "labels": {}}]))
    with pytest.raises(TrainingDataError, match="regions"):
        read_regions(path, side=30, patch=10)


def test_the_objective_is_the_weighted_mean_cross_entropy_of_fixed_directions(tmp_path: Path) -> None:
    path = tmp_path / "regions.json"
    regions = [{"box": [0, 0, 8, 8], "labels": {"shape": "star"}}]
    path.write_text(json.dumps([{"image": "x", "labels": {}, "regions": regions}]))
    model = tiny.model()
    objective = RegionObjective(model, read_regions(path, side=24, patch=8), seed=0)
    directions = objective.directions_shape
    torch.testing.assert_close(directions @ directions.T, torch.eye(2))
    pixels = torch.randn(1, 3, 24, 24)
    target = torch.tensor([[1, 0, 0, 0, 0, 0, 0, 0, 0]])
    weights = torch.tensor([[1.0] + [EMPTY_WEIGHT] * 8])
    batch = {"pixel_values": pixels, "patch_weights": weights, "region_shape": target}
    with torch.no_grad():
        hidden = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states
        logits = hidden[model.config.vision_feature_layer][0, 1:] @ directions.T
        by_hand = (-logits.log_softmax(-1)[range(9), target[0]] * weights[0]).sum() / weights.sum()
        found = objective.total(objective(batch), torch.tensor(objective.counts(batch)))
    torch.testing.assert_close(found, by_hand)
    again = RegionObjective(model, read_regions(path, side=24, patch=8), seed=0)
    assert torch.equal(again.directions_shape, directions)


def test_too_many_classes_for_the_tower_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "regions.json"
    labels = {f"attribute {i}": "x" for i in range(20)}
    path.write_text(json.dumps([{"image": "x", "labels": labels, "regions": []}]))
    with pytest.raises(TrainingDataError, match="at least that width"):
        RegionObjective(tiny.model(), read_regions(path, side=20, patch=10), seed=0)


def test_rescaling_scales_the_features_and_nothing_else() -> None:
    model = tiny.model()
    tower = model.model.vision_tower
    pixels = torch.randn(2, 3, 24, 24)
    with torch.no_grad():
        before = tower(pixels, output_hidden_states=True).hidden_states
        rescale_residual_stream(tower, 0.25)
        after = tower(pixels, output_hidden_states=True).hidden_states
    for old, new in zip(before, after, strict=True):
        # LayerNorm's epsilon makes the scaling exact only up to its size.
        torch.testing.assert_close(new, 0.25 * old, rtol=2e-3, atol=2e-3)


def test_grounding_prefers_the_words_of_what_a_patch_shows(tmp_path: Path) -> None:
    path = tmp_path / "regions.json"
    regions = [{"box": [0, 0, 24, 12], "labels": {"shape": "circle"}}]
    path.write_text(json.dumps([{"image": "x.png", "labels": {}, "regions": regions}]))
    labels = read_regions(path, side=24, patch=12)
    model = tiny.model(tie_word_embeddings=True)
    batch = PatchWords(labels, tiny.tokenizer())(["x.png"])
    assert batch["patch_weights"][0].tolist() == pytest.approx([1.0, 1.0, EMPTY_WEIGHT, EMPTY_WEIGHT])
    words = tiny.tokenizer()(" circle")["input_ids"]
    assert batch["patch_words"][0, 0].tolist() == words
    assert set(batch["patch_words"][0, 2].tolist()) == {-1}
    others = [i for i in range(5, 5 + len(words)) if i not in words]
    embeddings = model.get_input_embeddings().weight.detach()
    right, wrong = (embeddings[ids].mean(0).expand(1, 4, -1) for ids in (words, others))
    with torch.no_grad():
        assert grounding_loss(model, right, batch) < grounding_loss(model, wrong, batch)


def test_features_are_brought_to_unit_size() -> None:
    model = tiny.model()
    pixels = torch.randn(4, 3, 24, 24)
    labels = RegionLabels(["x.png"], {"shape": ["circle"]}, {"shape": torch.ones(1, 9, dtype=torch.long)}, 24)
    unit_size(RegionObjective(model, labels, 0), model, pixels)
    with torch.no_grad():
        hidden = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states
    size = float(hidden[model.config.vision_feature_layer][:, 1:].pow(2).mean().sqrt())
    assert size == pytest.approx(1.0, rel=1e-2)
