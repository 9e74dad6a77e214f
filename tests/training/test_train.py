"""The training loop on a handful of scenes: it learns, only what it should, the same each time."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from accelerate.tracking import get_available_trackers
from safetensors.torch import load_file
from small_recipe import SMALL, STAGES, small_recipe, steps
from torch import Tensor
from typer.testing import CliRunner

from sqllava import load
from sqllava.errors import SqLlavaError
from sqllava.training.optimizer import schedule
from sqllava.training.recipe import Recipe
from sqllava.training.recipe_file import load_recipe, validated
from sqllava.training.run import train


def run(plan: Recipe, root: Path, out: Path) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Finished weights, and the logged steps."""
    train(plan, root, out, quiet=True)
    lines = [json.loads(line) for line in (out / "train.jsonl").read_text("utf-8").splitlines()]
    return load_file(out / "model.safetensors"), lines


def losses(lines: list[dict[str, Any]], stage: str) -> list[float]:
    return [line["loss"] for line in lines if line["stage"] == stage and "loss" in line]


def test_every_stage_lowers_its_loss(root: Path, tmp_path: Path) -> None:
    _, lines = run(small_recipe(*steps(25), "stages.self-questioning.steps=60"), root, tmp_path / "out")
    for stage in STAGES:
        found = losses(lines, stage)
        assert len(found) == (60 if stage == "self-questioning" else 25)
        assert sum(found[-5:]) < 0.9 * sum(found[:5]), stage


def test_the_same_recipe_gives_the_same_weights_and_another_seed_others(root: Path, tmp_path: Path) -> None:
    first, again = (run(small_recipe(*steps(3)), root, tmp_path / name)[0] for name in "ab")
    other = run(small_recipe(*steps(3), "seed=1"), root, tmp_path / "c")[0]
    assert all(torch.equal(first[name], again[name]) for name in first)
    name = "model.language_model.embed_tokens.weight"
    assert not torch.equal(first[name], other[name])


def test_workers_change_nothing(root: Path, tmp_path: Path) -> None:
    alone = run(small_recipe(*steps(3)), root, tmp_path / "alone")[0]
    helped = run(small_recipe(*steps(3), "workers=2"), root, tmp_path / "helped")[0]
    assert all(torch.equal(alone[name], helped[name]) for name in alone)


@pytest.mark.parametrize("change", ["micro_batch_size=2", "packing=false", "gradient_checkpointing=true"])
def test_accumulation_packing_and_recomputation_do_not_change_the_loss(root: Path, tmp_path: Path, change: str) -> None:
    _, plain = run(small_recipe(*steps(4)), root, tmp_path / "plain")
    _, changed = run(small_recipe(*steps(4), f"stages.self-questioning.{change}"), root, tmp_path / "changed")
    assert losses(changed, "self-questioning") == pytest.approx(losses(plain, "self-questioning"), rel=1e-4)


def test_a_blind_control_never_looks(root: Path, tmp_path: Path) -> None:
    _, lines = run(small_recipe("model.sees_images=false", *steps(2)), root, tmp_path / "out")
    assert {line["stage"] for line in lines} == set(STAGES[1:])
    assert load(tmp_path / "out")[0].config.sees_images is False


def stage_weights(out: Path, number: int) -> dict[str, Tensor]:
    (folder,) = (out / "stages").glob(f"{number}-*")
    return load_file(folder / "model.safetensors")


def test_a_stage_changes_what_it_trains_and_nothing_else(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    final, _ = run(small_recipe(*steps(3)), root, out)
    tower, alignment, before = (stage_weights(out, number) for number in (1, 2, 3))
    changed = {name.split(".")[1] for name in tower if not torch.equal(tower[name], alignment[name])}
    assert changed == {"multi_modal_projector", "language_model"}
    # The vision tower's adapters get a gradient and their product is folded in; what has no adapter stays.
    moved = {name for name in final if "vision_tower" in name and not torch.equal(final[name], before[name])}
    assert moved
    assert all(name.endswith("weight") and ("_proj" in name or ".fc" in name) for name in moved)


def test_frozen_adapters_leave_the_tower_alone(root: Path, tmp_path: Path) -> None:
    only = "stages.self-questioning.trained={projector: {learning_rate: 0.001}}"
    out = tmp_path / "out"
    final, _ = run(small_recipe(*steps(2), only), root, out)
    before = stage_weights(out, 3)
    changed = {name.split(".")[1] for name in final if not torch.equal(final[name], before[name])}
    assert changed == {"multi_modal_projector"}


def test_unused_parameters_of_the_projector_stay(root: Path, tmp_path: Path) -> None:
    final, _ = run(small_recipe(*steps(2)), root, tmp_path / "out")
    assert torch.equal(final["model.multi_modal_projector.ln_1.weight"], torch.ones(48))


def test_the_learning_rate_warms_up_and_falls_to_its_floor() -> None:
    stage = load_recipe("mini").stages[1].model_copy(update={"warmup": 0.1, "floor": 0.1})
    shares = [schedule(stage, step, 100) for step in range(100)]
    assert shares[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert max(shares) == pytest.approx(1.0)
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert shares[-1] == pytest.approx(0.1, abs=0.01)


def test_each_part_has_its_own_learning_rate(root: Path, tmp_path: Path) -> None:
    _, lines = run(small_recipe(*steps(2)), root, tmp_path / "out")
    rates = lines[-1]["lr"]
    assert rates["vision_tower"] / rates["projector"] == pytest.approx(0.2)
    assert set(rates) == {"projector", "language_model", "vision_tower"}


def test_too_many_broken_images_stop_the_run_and_a_few_are_counted(root: Path, tmp_path: Path) -> None:
    broken = tmp_path / "root"
    broken.mkdir()
    for entry in root.iterdir():
        (broken / entry.name).symlink_to(entry)
    samples = json.loads((root / "llava/instruct.json").read_text("utf-8"))
    samples[0]["image"] = "nowhere.png"
    (broken / "llava").unlink()
    (broken / "llava").mkdir()
    for entry in (root / "llava").iterdir():
        (broken / "llava" / entry.name).symlink_to(entry)
    (broken / "llava/instruct.json").unlink()
    (broken / "llava/instruct.json").write_text(json.dumps(samples[:16]), encoding="utf-8")
    settings = [*steps(2), "stages.self-questioning.steps=4", "stages.self-questioning.group_by_length=false"]
    settings.append("stages.answering.data=llava/alignment.json")  # in which nothing is broken
    with pytest.raises(SqLlavaError, match=r"instruct\.json: sample 0 .*nowhere\.png"):
        run(small_recipe(*settings), broken, tmp_path / "strict")
    _, lines = run(small_recipe(*settings, "bad_samples=2"), broken, tmp_path / "lenient")
    assert lines[-1]["bad_samples"] == 2  # once an epoch
    assert sum(line.get("event") == "bad sample" for line in lines) == 2


def test_broken_images_of_regions_weigh_nothing_within_the_limit(root: Path, tmp_path: Path) -> None:
    broken = tmp_path / "root"
    broken.mkdir()
    for entry in root.iterdir():
        (broken / entry.name).symlink_to(entry)
    (broken / "llava").unlink()
    (broken / "llava").mkdir()
    records = json.loads((root / "llava/regions.json").read_text("utf-8"))[:8]
    for name in ("alignment.json", "instruct.json"):
        (broken / "llava" / name).symlink_to(root / "llava" / name)
    (broken / "llava/regions.json").write_text(json.dumps([{**records[0], "image": "gone.png"}, *records[1:]]))
    settings = [*steps(1), "stages.tower.steps=3", *(f"stages.{stage}.grounding=null" for stage in STAGES[1:])]
    with pytest.raises(SqLlavaError, match=r"stage tower: record 0: .*gone\.png"):
        run(small_recipe(*settings), broken, tmp_path / "strict")
    _, lines = run(small_recipe(*settings, "bad_samples=1000"), broken, tmp_path / "lenient")
    told = [line["message"] for line in lines if line.get("event") == "bad sample"]
    assert told
    assert all("gone.png" in message for message in told)
    assert all(isfinite(line["loss"]) for line in lines if "loss" in line)


def test_evaluation_during_training_keeps_the_best_and_disturbs_nothing(root: Path, tmp_path: Path) -> None:
    dropout = "stages.self-questioning.trained.vision_tower.lora.dropout=0.5"
    plain, _ = run(small_recipe(*steps(4), dropout), root, tmp_path / "plain")
    watched = "evaluation={every: 2, tasks: [pope, gqa], limit: 20, metric: gqa}"
    final, lines = run(small_recipe(*steps(4), dropout, watched), root, tmp_path / "watched")
    events = [line for line in lines if line.get("event") == "evaluation"]
    assert [(e["stage"], e["step"]) for e in events] == [(s, n) for s in STAGES[1:] for n in (2, 4)]
    assert set(events[0]["tasks"]) == {"pope", "gqa"}
    assert all(torch.equal(final[name], plain[name]) for name in plain)
    best = load(tmp_path / "watched" / "best")[0]
    assert best.config.model_type == "sqllava"
    assert (tmp_path / "watched/evaluations/self-questioning-0000004/run.json").is_file()


def test_an_unknown_task_is_an_error_before_anything_is_trained(root: Path, tmp_path: Path) -> None:
    with pytest.raises(SqLlavaError, match=r"evaluation: .*pop"):
        train(small_recipe("evaluation={every: 2, tasks: [pop]}"), root, tmp_path / "out")


def test_a_tracker_that_is_not_there_is_an_error(root: Path, tmp_path: Path) -> None:
    """Accelerate would end with a traceback for an unknown one, and train on without one that is not installed."""
    with pytest.raises(SqLlavaError, match=r"trackers: 'board' is unknown; known: .*tensorboard"):
        train(small_recipe("trackers=[board]"), root, tmp_path / "out")
    absent = sorted({"aim", "clearml", "swanlab"} - {str(kind) for kind in get_available_trackers()})
    with pytest.raises(SqLlavaError, match=rf"trackers: {absent[0]} is not installed"):
        train(small_recipe(f"trackers=[{absent[0]}]"), root, tmp_path / "out")


def test_what_failed_before_its_first_step_does_not_hold_its_folder(root: Path, tmp_path: Path) -> None:
    """A typo is corrected and the command typed again, without --resume."""
    out = tmp_path / "out"
    with pytest.raises(SqLlavaError, match=r"nowhere\.json is missing"):
        run(small_recipe("stages.alignment.data=nowhere.json"), root, out)
    with pytest.raises(SqLlavaError, match=r"neither\.json"):  # seen later, when the stage is prepared
        run(small_recipe("stages.tower.data=neither.json"), root, out)
    run(small_recipe(*steps(1)), root, out)


def test_the_command_writes_a_checkpoint_that_loads(root: Path, tmp_path: Path) -> None:
    from sqllava.cli.app import app

    out = tmp_path / "out"
    settings = [*SMALL, f"data={root}", *steps(2), "save_dtype=float16"]
    arguments = ["train", "mini", "--out", str(out), *(x for s in settings for x in ("--set", s))]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    model, processor = load(out, device="cpu")
    assert next(model.parameters()).dtype == torch.float32
    assert json.loads((out / "config.json").read_text("utf-8"))["dtype"] == "float16"
    told = json.loads((out / "recipe.json").read_text("utf-8"))["stages"]
    assert [stage.get("sq_r") for stage in told] == [stage.sq_r for stage in load_recipe("mini").stages]
    assert processor.tokenizer.decode(processor.tokenize(["Is there a star?"])[0], skip_special_tokens=True)
    again = CliRunner().invoke(app, arguments)
    assert isinstance(again.exception, SqLlavaError)
    assert "--resume auto" in str(again.exception)


def test_bfloat16_trains_close_to_float32(root: Path, tmp_path: Path) -> None:
    _, exact = run(small_recipe(*steps(4)), root, tmp_path / "exact")
    AcceleratorState._reset_state(reset_partial_state=True)
    _, half = run(small_recipe(*steps(4), "precision=bf16"), root, tmp_path / "half")
    for stage in STAGES:
        assert losses(half, stage) == pytest.approx(losses(exact, stage), rel=0.03)


def test_adapters_may_be_kept_apart(root: Path, tmp_path: Path) -> None:
    """One stage on a checkpoint; the adapter folder answers as the merged checkpoint of the same run does."""
    base = tmp_path / "base"
    run(small_recipe(*steps(2)), root, base)
    value = small_recipe(*steps(3)).model_dump(mode="json")
    value |= {"model": {"source": "checkpoint", "checkpoint": str(base)}, "stages": value["stages"][-1:]}
    lora = {"learning_rate": 0.01, "lora": {"r": 4, "alpha": 8, "dropout": 0.1}}
    value["stages"][0]["trained"] |= {"language_model": lora, "vision_tower": lora}
    train(validated(value, "test"), root, tmp_path / "merged", quiet=True)
    train(validated({**value, "merge": False}, "test"), root, tmp_path / "apart", quiet=True)
    assert not (tmp_path / "apart" / "config.json").exists()
    merged, apart = (load(tmp_path / name)[0].state_dict() for name in ("merged", "apart"))
    before = load(base)[0].state_dict()
    assert set(merged) == set(apart)
    for name in merged:
        torch.testing.assert_close(apart[name], merged[name], rtol=1e-5, atol=1e-6)
    assert not torch.equal(merged["model.language_model.layers.0.mlp.up_proj.weight"],
                           before["model.language_model.layers.0.mlp.up_proj.weight"])  # fmt: skip
    train(validated({**value, "merge": False}, "test"), root, tmp_path / "apart", resume=True, quiet=True)
