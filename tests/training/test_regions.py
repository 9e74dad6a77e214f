"""The vision tower's pretraining: which patch shows what, and a rescaling that changes nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_sqllava as tiny
import torch

from sqllava.training.data import TrainingDataError
from sqllava.training.grounding import Grounding
from sqllava.training.regions import RegionHeads, read_regions, rescale_residual_stream


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


def test_accuracy_counts_patches_that_show_the_attribute(tmp_path: Path) -> None:
    path = tmp_path / "regions.json"
    record = {"image": "x", "labels": {}, "regions": [{"box": [0, 0, 10, 10], "labels": {"shape": "star"}}]}
    path.write_text(json.dumps([record]))
    labels = read_regions(path, side=20, patch=10)
    heads = RegionHeads(3, labels)
    star = heads.directions["shape"][1].expand(1, 4, 3)
    assert heads.accuracy(star, labels.targets) == {"shape": 1.0}
    assert heads.accuracy(-star, labels.targets) == {"shape": 0.0}
    every = torch.cat(list(heads.directions.values()))
    torch.testing.assert_close(every @ every.T, torch.eye(2))


def test_too_many_classes_for_the_tower_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "regions.json"
    path.write_text(json.dumps([{"image": "x", "labels": {"ground": "tan", "light": "day"}, "regions": []}]))
    with pytest.raises(TrainingDataError, match="at least that width"):
        RegionHeads(3, read_regions(path, side=20, patch=10))


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
    grounding = Grounding(labels, tiny.tokenizer())
    words = tiny.tokenizer()(" circle")["input_ids"]
    others = [i for i in range(5, 5 + len(words)) if i not in words]
    embeddings = model.get_input_embeddings().weight.detach()
    right, wrong = (embeddings[ids].mean(0).expand(1, 4, -1) for ids in (words, others))
    assert float(grounding.loss(model, right, ["x.png"])) < float(grounding.loss(model, wrong, ["x.png"]))
