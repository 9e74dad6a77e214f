"""Whole runs of a tiny model: tasks share images, shared prefixes give the answers of rows, and the books are right."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_sqllava as tiny
import torch
from shades import Shades, Tints
from test_survival import content, in_child

from sqeval.config import RunConfig
from sqeval.evaluation import evaluate
from sqeval.model import Completion, Group
from sqeval.models.loading import load_model
from sqeval.models.sqllava import SqLlavaModel
from sqeval.progress import Silent
from sqeval.rundir import read_records

Make = Callable[..., RunConfig]
TASKS = ("shades", "tints")
IMAGES, QUESTIONS = 8, 50


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny.model().save_pretrained(folder)
    tiny.processor().save_pretrained(folder)
    return folder


@pytest.fixture
def both(config: Make, checkpoint: Path) -> Make:
    return lambda **changes: config(**{"tasks": TASKS, "ckpt": str(checkpoint), "device": "cpu", **changes})


def throughput(config: RunConfig) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((config.folder / "run.json").read_bytes())["throughput"]
    return found


def test_images_are_encoded_once_and_prefixes_computed_once(both: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    model = load_model(both())
    assert isinstance(model, SqLlavaModel)
    encode = model.engine.model.get_image_features

    def watched(pixels: Any, *arguments: Any, **more: Any) -> Any:
        seen.append(len(pixels))
        return encode(pixels, *arguments, **more)

    monkeypatch.setattr(model.engine.model, "get_image_features", watched)
    evaluate(both(), model=model)
    assert sum(seen) == IMAGES  # 24 questions of either task are about them
    shared = throughput(both())
    evaluate(both(name="rows", engine="rows"))
    rows = throughput(both(name="rows"))
    assert content(both().folder) == content(both(name="rows").folder)
    assert (shared["shared_prefixes"], rows["shared_prefixes"]) == (True, False)
    for rates in (shared, rows):
        assert rates["questions"] == QUESTIONS
        assert rates["images_encoded"] == IMAGES
        assert rates["prefilled_tokens"] + rates["saved_tokens"] == rates["prompt_tokens"]
        assert rates["questions_per_second"] == pytest.approx(QUESTIONS / rates["seconds"], rel=0.1)
        assert 0 < rates["busy"] <= 1
        assert rates["batch_tokens"] > 0
        assert rates["notes"] == []
    for same in ("prompt_tokens", "generated_tokens"):
        assert shared[same] == rows[same]
    assert rows["saved_tokens"] == 0
    assert shared["saved_tokens"] > shared["prompt_tokens"] / 2


def test_each_task_s_settings_are_kept(both: Make) -> None:
    model = load_model(both())
    tokens: dict[str, set[int]] = {}

    class Watching:
        identity = model.identity

        def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
            for answer in model.generate(groups):
                tokens.setdefault(answer.task, set()).add(answer.tokens)
                yield answer

    evaluate(both(), model=Watching())
    for task in (Shades, Tints):
        assert max(tokens[task.name]) == task.settings.max_new_tokens
        records, _ = read_records(both().folder / task.name / "samples.jsonl")
        assert any(record.truncated for record in records)


@pytest.mark.parametrize("number", [1, 30])
def test_a_killed_run_goes_on_with_another_batch_to_the_same_bytes(number: int, both: Make) -> None:
    evaluate(both(name="whole"))
    dying = load_model(both(batch_tokens=200))

    class Dying:
        identity = dying.identity

        def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
            for answered, answer in enumerate(dying.generate(groups)):
                if answered == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield answer

    def run() -> None:
        torch.set_num_threads(1)  # a forked process has not the threads that OpenMP waits for
        evaluate(both(), model=Dying())

    assert in_child(run) == -signal.SIGKILL
    evaluate(both(engine="rows", image_workers=2))
    assert content(both().folder) == content(both(name="whole").folder)
    assert throughput(both())["questions"] == QUESTIONS - number


def test_a_fallback_is_told_as_it_happens_and_recorded(both: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class Telling(Silent):
        def note(self, what: str) -> None:
            told.append(what)

    monkeypatch.setattr("sqllava.engine.fault", lambda model: "it is made of wood")
    evaluate(both(), progress=Telling())
    *notes, last = told
    assert any("it is made of wood" in note for note in notes)
    assert last.startswith(f"{QUESTIONS} questions in ")
    assert "; 0 % of prompt tokens shared; model busy " in last
    assert throughput(both())["notes"] == notes
