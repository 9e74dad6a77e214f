"""What a run folder accepts: the same configuration, more tasks, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shades import Looker, write_data

from sqeval.config import RunConfig
from sqeval.errors import UserError
from sqeval.evaluation import evaluate
from sqeval.model import Identity

Make = Callable[..., RunConfig]


def run_json(config: RunConfig) -> Any:
    return json.loads((config.folder / "run.json").read_bytes())


def looker(**changes: Any) -> Looker:
    model = Looker()
    model.identity = replace(Looker.identity, **changes)  # type: ignore[misc]
    return model


def test_a_finished_run_is_left_alone(config: Make) -> None:
    evaluate(config(), model=Looker())
    before = {path: path.stat().st_mtime_ns for path in config().folder.rglob("*")}
    again = Looker()
    outcome = evaluate(config(), model=again)
    assert again.asked == []
    assert outcome.metrics["shades"]["counts"]["n"] == 25
    assert {path: path.stat().st_mtime_ns for path in config().folder.rglob("*")} == before


@pytest.mark.parametrize(
    ("changes", "identity", "words"),
    [
        ({"limit": 5}, {}, r"limit: none there, 5 now"),
        ({"seed": 1}, {}, r"seed: 0 there, 1 now"),
        ({"model_args": {"template": "v1"}}, {}, r"model_args: \{\} there, \{'template': 'v1'\} now"),
        ({}, {"checkpoint_hash": "2" * 64}, r"checkpoint_hash: 111111111111... there, 222222222222... now"),
        ({}, {"checkpoint_hash": None, "checkpoint": "other"}, r"checkpoint: eyes there, other now"),
        ({}, {"details": {"dtype": "float16"}}, r"dtype: uint8 there, float16 now"),
        ({}, {"kind": "reader"}, r"model: looker there, reader now"),
    ],
)
def test_another_configuration_is_refused_by_name(
    changes: dict[str, Any], identity: dict[str, Any], words: str, config: Make
) -> None:
    evaluate(config(), model=Looker())
    before = {path: path.read_bytes() for path in config().folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=words) as caught:
        evaluate(config(**changes), model=looker(**identity))
    assert "--fresh" in str(caught.value)
    assert "--name" in str(caught.value)
    assert {path: path.read_bytes() for path in config().folder.rglob("*") if path.is_file()} == before
    evaluate(config(**changes), model=looker(**identity), fresh=True)
    assert run_json(config())["config"]["limit"] == changes.get("limit")


def test_what_does_not_change_answers_is_accepted(config: Make, data: Path, tmp_path: Path) -> None:
    evaluate(config(), model=Looker())
    moved = data.rename(tmp_path / "moved")
    again = looker(name="a new name", checkpoint="/another/place")
    evaluate(
        config(data=str(moved), batch_tokens=7, image_workers=2, workers=3, engine="rows", max_errors=3), model=again
    )
    assert again.asked == []


def test_other_data_is_refused(config: Make, tmp_path: Path) -> None:
    evaluate(config(), model=Looker())
    other = write_data(tmp_path / "other", images=9)
    with pytest.raises(UserError, match=r"data files of shades: .*data there, others in .*other now"):
        evaluate(config(data=str(other)), model=Looker())


def test_more_tasks_join_a_run(config: Make, data: Path) -> None:
    (data / "pope").mkdir()
    (data / "coco" / "val2014").mkdir(parents=True)
    (data / "coco" / "val2014" / "COCO_val2014_000000000001.jpg").write_bytes(b"")
    line = {"question_id": 1, "image": "COCO_val2014_000000000001.jpg", "text": "Is there a cat?", "label": "no"}
    for category in ("random", "popular", "adversarial"):
        (data / "pope" / f"coco_pope_{category}.json").write_text(json.dumps(line) + "\n", "utf-8")
    evaluate(config(model="majority"))
    shades = (config().folder / "shades" / "metrics.json").read_bytes()
    outcome = evaluate(config(tasks=("pope",), model="majority"))
    assert list(outcome.metrics) == ["pope"]
    run = run_json(config())
    assert run["status"] == "complete"
    assert run["config"]["tasks"] == list(run["tasks"]) == ["shades", "pope"]
    assert (config().folder / "shades" / "metrics.json").read_bytes() == shades


def test_a_folder_of_something_else_is_left_alone(config: Make) -> None:
    folder = config().folder
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work", "utf-8")
    for fresh in (False, True):
        with pytest.raises(UserError, match=r"thesis\.txt"):
            evaluate(config(), model=Looker(), fresh=fresh)
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_a_fresh_start_removes_what_a_run_wrote_and_nothing_else(config: Make) -> None:
    evaluate(config(), model=Looker())
    note = config().folder / "shades" / "note.txt"
    note.write_text("mine", "utf-8")
    evaluate(config(limit=4), model=Looker(), fresh=True)
    assert note.read_text("utf-8") == "mine"
    assert run_json(config())["tasks"]["shades"]["n"] < 25


def test_a_run_json_of_another_kind_is_refused(config: Make) -> None:
    config().folder.mkdir(parents=True)
    for text in ('{"a": 1}', "[]", "{"):
        (config().folder / "run.json").write_text(text, "utf-8")
        with pytest.raises(UserError, match=r"run\.json"):
            evaluate(config(), model=Looker())
    evaluate(config(), model=Looker(), fresh=True)


def test_limits_draw_the_same_images_for_every_model(config: Make) -> None:
    def asked(name: str, **changes: Any) -> set[str]:
        model = looker(kind=name, checkpoint_hash=None, checkpoint=name)
        evaluate(config(name=name, **changes), model=model)
        return set(model.asked)

    first = asked("a", limit=6)
    assert asked("b", limit=6) == first
    assert 6 <= len(first) <= 8
    assert len({frozenset(asked(f"s{seed}", limit=6, seed=seed)) for seed in range(5)}) > 1


def test_identity_is_recorded(config: Make) -> None:
    evaluate(config(), model=Looker(), command="sqeval run ...")
    run = run_json(config())
    assert Identity(**run["identity"]) == Looker.identity
    assert run["command"] == "sqeval run ..."
    assert {"python", "sqeval", "torch", "numpy"} <= run["packages"].keys()
    assert {"system", "cpu", "cores", "memory_gib", "gpus"} == run["hardware"].keys()
    assert run["timing"]["started"] <= run["timing"]["finished"]
