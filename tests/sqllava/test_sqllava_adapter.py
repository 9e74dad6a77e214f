"""SQ-LLaVA behind the harness's model protocol."""

from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import release_layouts as release
import tiny_adapter
import tiny_sqllava as tiny
from PIL import Image

from sqeval.config import RunConfig
from sqeval.data.images import ImageRef
from sqeval.errors import UserError
from sqeval.model import Group, Model, Request, Settings
from sqeval.models.loading import load_model
from sqeval.models.sqllava import load_sqllava, usual_workers
from sqllava import Engine, checkpoint_hash, load
from sqllava.engine import Group as EngineGroup
from sqllava.engine import Request as EngineRequest

USUAL: dict[str, Any] = {"device": "cpu", "dtype": "auto", "batch_tokens": None, "args": {}}


@pytest.fixture
def image(tmp_path: Path) -> ImageRef:
    file = tmp_path / "image.png"
    Image.effect_noise((40, 30), 80).save(file)
    return ImageRef("image.png", path=file)


def asked(key: str, text: str, *, task: str = "t", tokens: int = 3) -> Request:
    return Request(task, key, text, Settings(max_new_tokens=tokens))


def test_answers_are_the_engines_with_each_request_s_settings(tiny_checkpoint: Path, image: ImageRef) -> None:
    model: Model = load_sqllava(str(tiny_checkpoint), **USUAL)
    texts = ["is it red", "what colour is it", "is it red"]
    requests = [
        asked("a/b", texts[0], tokens=5),
        asked("1", texts[1], tokens=2),
        asked("1", texts[2], task="u", tokens=9),
    ]
    groups = [Group(image, tuple(requests)), Group(None, (asked("text", "is it", tokens=4),))]
    found = {(done.task, done.id): done for done in model.generate(groups)}
    engine = Engine(*load(tiny_checkpoint, device="cpu"), packed=False)
    for group in groups:
        for request in group.requests:
            prompt = engine.prompt(request.prompt, image=group.image is not None)
            alone = EngineRequest("x", prompt, max_new_tokens=request.settings.max_new_tokens)
            (answer,) = engine.generate([EngineGroup((alone,), group.image.open if group.image else None)])
            done = found.pop((request.task, request.id))
            assert (done.text, done.tokens, done.finish_reason) == (answer.text, answer.tokens, answer.finish_reason)
            assert 0 < done.tokens <= request.settings.max_new_tokens
            assert done.logprob == pytest.approx(answer.logprob, abs=1e-4)
    assert not found


def test_a_question_that_the_template_refuses_fails_alone(tiny_checkpoint: Path, image: ImageRef) -> None:
    model = load_sqllava(str(tiny_checkpoint), **USUAL)
    requests = (asked("1", "is it red"), asked("2", "what is <image>"), asked("3", "is it"))
    found = {done.id: done for done in model.generate([Group(image, requests)])}
    assert [found[key].error is None for key in "123"] == [True, False, True]
    assert "<image>" in (found["2"].error or "")
    (alone,) = model.generate([Group(image, (requests[1],))])
    assert alone == found["2"]


def test_what_the_engine_warns_of_is_told_once(
    tiny_checkpoint: Path, image: ImageRef, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    monkeypatch.setattr("sqllava.engine.fault", lambda model: "it is made of wood")
    model = load_sqllava(str(tiny_checkpoint), **USUAL, note=told.append)
    assert any("it is made of wood" in line for line in told)
    assert len(set(told)) == len(told)
    assert model.work().notes == tuple(told)
    assert not model.work().shared_prefixes
    before = len(told)
    for _ in model.generate([Group(image, (asked("1", "is it red"),))]):
        model.engine.shrink()
    assert len(told) == before + 1
    assert "out of memory" in told[-1]
    assert not logging.getLogger("sqllava.engine").handlers
    assert capfd.readouterr().err == ""


def test_worker_processes_open_the_images(tiny_checkpoint: Path, image: ImageRef, tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(image.open))().load()
    pickle.loads(pickle.dumps(ImageRef("x", data=(image.path or tmp_path).read_bytes()).open))().load()
    images = [image, ImageRef("gone.png", path=tmp_path / "gone.png"), ImageRef("copy.png", path=image.path)]
    groups = [Group(one, (asked(f"{number}", "is it red"),)) for number, one in enumerate(images)]
    models = [load_sqllava(str(tiny_checkpoint), **USUAL, image_workers=workers) for workers in (0, 2)]
    answers = [sorted(model.generate(groups), key=lambda done: done.id) for model in models]
    assert answers[0] == answers[1]
    assert [done.error is None for done in answers[0]] == [True, False, True]


def test_workers_are_for_gpus() -> None:
    assert usual_workers("cpu") == 0
    assert 0 <= usual_workers("cuda") <= 8


def test_identity(tiny_checkpoint: Path) -> None:
    identity = load_sqllava(str(tiny_checkpoint), **USUAL).identity
    assert (identity.name, identity.kind) == (tiny_checkpoint.name, "sqllava")
    assert identity.checkpoint == str(tiny_checkpoint)
    assert identity.checkpoint_hash == checkpoint_hash(tiny_checkpoint)
    assert identity.sees_images
    assert identity.details == {"dtype": "float32", "template": "v1", "image_aspect_ratio": "pad"}


def test_arguments_change_how_it_is_asked(tiny_checkpoint: Path, image: ImageRef) -> None:
    args = {"template": "v1_sq", "image_aspect_ratio": "crop"}
    changed = load_sqllava(str(tiny_checkpoint), **{**USUAL, "args": args})
    assert changed.identity.details == {"dtype": "float32", **args}
    group = [Group(image, (asked("q", "is it red"),))]
    plain = load_sqllava(str(tiny_checkpoint), **USUAL)
    assert [c.logprob for c in plain.generate(group)] != [c.logprob for c in changed.generate(group)]


def test_a_blind_checkpoint_says_so(tmp_path: Path) -> None:
    tiny.model(sees_images=False).save_pretrained(tmp_path)
    tiny.processor().save_pretrained(tmp_path)
    model = load_sqllava(str(tmp_path), **USUAL)
    assert not model.identity.sees_images
    gone = ImageRef("gone.png", path=tmp_path / "gone.png")  # never opened
    (done,) = model.generate([Group(gone, (asked("q", "is it red"),))])
    assert done.error is None


def test_unreadable_images_are_errors_of_their_requests(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = load_sqllava(str(tiny_checkpoint), **USUAL)
    gone = ImageRef("gone.png", path=tmp_path / "gone.png")
    (done,) = model.generate([Group(gone, (asked("q", "is it red"),))])
    assert done.finish_reason == "error"
    assert "gone.png" in (done.error or "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"args": {"template": "v9"}}, "unknown conversation template 'v9'"),
        ({"args": {"image_aspect_ratio": "anyres"}}, "must be pad or crop"),
        ({"device": "abacus"}, "unknown device"),
    ],
)
def test_bad_input_is_a_user_error(tiny_checkpoint: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_sqllava(str(tiny_checkpoint), **{**USUAL, **changes})


def test_a_missing_checkpoint_is_a_user_error(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        load_sqllava("nowhere", **USUAL)
    broken = Path(shutil.copytree(tiny_checkpoint, tmp_path / "broken"))
    (broken / "config.json").unlink()
    with pytest.raises(UserError, match=r"no config\.json"):
        load_sqllava(str(broken), **USUAL)


def test_an_adapter_and_what_it_stands_on(tmp_path: Path) -> None:
    folder = tiny_adapter.adapter_folder(tmp_path / "adapter")
    identity = load_sqllava(str(folder), **USUAL).identity
    assert identity.checkpoint_hash == checkpoint_hash(folder)
    assert identity.origin == {"base": str(folder / "../base")}
    other = shutil.copytree(tmp_path / "base", tmp_path / "other")
    tiny.model(seed=3).save_pretrained(other)
    changed = load_sqllava(str(folder), **USUAL, base=str(other)).identity
    assert changed.checkpoint_hash == checkpoint_hash(folder, base=other) != identity.checkpoint_hash
    assert changed.origin == {"base": str(other)}
    with pytest.raises(UserError, match="is a whole model; leave out the base"):
        load_sqllava(str(other), **USUAL, base="mini")


def sqeval(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("sqeval")), "run", "--tasks", "pope", "--data", "mini", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_a_release_is_evaluated_as_it_is(tmp_path: Path) -> None:
    parts = release.random_parts()
    source, base = release.write_stage2(tmp_path / "lora", parts), release.write_base(tmp_path / "vicuna", parts)
    tower = release.write_tower(tmp_path / "clip", parts)
    command = ("--ckpt", str(source), "--base", str(base), "--vision-tower", str(tower), "--limit", "4")
    first = sqeval(tmp_path, *command)
    assert first.returncode == 0, first.stderr
    assert f"converting {source} (LoRA checkpoint in the release's layout (stage 2)" in first.stderr
    run = json.loads((tmp_path / "results" / "lora-mini-limit4" / "run.json").read_text())
    assert (run["config"]["ckpt"], run["config"]["base"]) == (str(source), str(base))
    assert run["config"]["vision_tower"] == str(tower)
    assert run["identity"]["checkpoint"] == str(source)
    converted = Path(run["identity"]["origin"]["converted"])
    assert converted.is_relative_to(os.environ["SQEVAL_CACHE"])
    assert run["identity"]["checkpoint_hash"] == checkpoint_hash(converted)
    again = sqeval(tmp_path, *command)
    assert again.returncode == 0
    assert "complete since before" in again.stderr
    assert "converting" not in again.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ckpt": "mini", "vision_tower": "x/y"}, "leave out --vision-tower"),
        ({"ckpt": "majority", "base": "mini"}, "--base: model majority has no use for it"),
        ({"ckpt": "mini", "model_args": {"beams": "3"}}, "no setting beams; it takes template, image_aspect_ratio"),
        ({"ckpt": "nowhere", "base": "mini"}, "no such folder; give a folder written by save_pretrained"),
    ],
)
def test_settings_that_have_no_use(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_model(RunConfig(tasks=("pope",), data="mini", **settings))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--ckpt", "mini", "--base", "mini"), "is a whole model; leave out the base 'mini'"),
        (("--ckpt", "org/gone"), "hub checkpoint 'org/gone': there is no such folder, HF_HUB_OFFLINE is set"),
    ],
)
def test_checkpoints_that_cannot_be_used_are_one_message(
    arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    done = sqeval(tmp_path, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("results/*"))
