"""The training loop on a handful of scenes: it learns, only what it should, the same each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from sqeval.data.mini.training import build_training
from sqllava import load
from sqllava.training.data import Encoded
from sqllava.training.recipe import Recipe, load_recipe
from sqllava.training.train import conversation_loss, learning_rate, train

SMALL = [
    "model.vision={hidden_size: 48, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, "
    "image_size: 72, patch_size: 24}",
    "model.text={hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, "
    "num_key_value_heads: 2, max_position_embeddings: 512}",
    "model.num_prototypes=4",
    "model.vocab_size=500",
    *(f"stages.{i}.batch_size=8" for i in range(3)),
    "log_every=1",
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training") / "root"
    build_training(folder, scenes=32)
    return folder


def recipe(*settings: str) -> Recipe:
    return load_recipe("mini").override([*SMALL, *settings])


def run(plan: Recipe, root: Path) -> tuple[Any, Any, list[dict[str, Any]]]:
    entries: list[dict[str, Any]] = []
    model, processor = train(plan, root, entries.append)
    return model, processor, entries


def test_every_stage_lowers_its_loss(root: Path) -> None:
    _, _, entries = run(recipe("stages.0.steps=25", "stages.1.steps=25", "stages.2.steps=25"), root)
    for stage in ("tower", "alignment", "self-questioning"):
        losses = [e["loss"] for e in entries if e["stage"] == stage]
        assert len(losses) == 25
        assert sum(losses[-5:]) < 0.9 * sum(losses[:5]), stage


def test_the_same_recipe_gives_the_same_weights_and_another_seed_others(root: Path) -> None:
    plan = recipe(*(f"stages.{i}.steps=2" for i in range(3)))
    first, again, other = (run(p, root)[0].state_dict() for p in (plan, plan, plan.override(["seed=1"])))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["lm_head.weight"], other["lm_head.weight"])


def test_a_blind_control_never_looks_and_keeps_its_tower(root: Path) -> None:
    plan = recipe("model.sees_images=false", *(f"stages.{i}.steps=2" for i in range(3)))
    model, _, entries = run(plan, root)
    assert {e["stage"] for e in entries} == {"alignment", "self-questioning"}
    assert model.config.sees_images is False
    fresh = run(recipe("stages.0.steps=1", "stages.1.steps=1", "stages.2.steps=1"), root)[0]
    projector = model.model.multi_modal_projector.state_dict()
    assert any(not torch.equal(v, fresh.model.multi_modal_projector.state_dict()[k]) for k, v in projector.items())


def test_the_loss_is_the_mean_over_supervised_tokens_whatever_the_padding(root: Path) -> None:
    model, processor, _ = run(recipe(*(f"stages.{i}.steps=1" for i in range(3))), root)
    short = Encoded([1, 10, 11, 2], [False, False, True, True], None)
    long = Encoded([1, *range(20, 40), 2], [False] * 11 + [True] * 11, None)
    with torch.no_grad():
        alone = [float(conversation_loss(model, processor, [e], None)[0]) for e in (short, long)]
        together = float(conversation_loss(model, processor, [short, long], None)[0])
        reference = model(
            input_ids=torch.tensor([long.ids]), labels=torch.tensor([[-100] * 11 + long.ids[11:]])
        ).loss  # transformers' own loss
    assert alone[1] == pytest.approx(float(reference), rel=1e-5)
    assert together == pytest.approx((2 * alone[0] + 11 * alone[1]) / 13, rel=1e-5)


def test_the_learning_rate_warms_up_and_falls_to_its_floor() -> None:
    stage = load_recipe("mini").stages[1].model_copy(update={"steps": 100, "warmup": 0.1, "floor": 0.1})
    rates = [learning_rate(stage, step) / stage.learning_rate for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert max(rates) == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)


def test_the_command_writes_a_checkpoint_that_loads(root: Path, tmp_path: Path) -> None:
    from sqllava.cli.app import app

    out = tmp_path / "out"
    settings = [*SMALL, f"data={root}", *(f"stages.{i}.steps=2" for i in range(3))]
    arguments = ["train", "mini", "--out", str(out), *(x for s in settings for x in ("--set", s))]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    model, processor = load(out, device="cpu")
    assert next(model.parameters()).dtype == torch.float32
    log = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
    assert [e["step"] for e in log] == [1, 2] * 3
    assert json.loads((out / "recipe.json").read_text())["stages"][2]["sq_r"] == load_recipe("mini").stages[2].sq_r
    assert processor.tokenizer.decode(processor.tokenize(["Is there a star?"])[0], skip_special_tokens=True)
