"""SQ-LLaVA behind the harness's model protocol."""

from __future__ import annotations

import json
import os
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
from sqeval.models.sqllava import load_sqllava
from sqllava import Engine, ImageQueries, Query, checkpoint_hash, load

USUAL: dict[str, Any] = {"device": "cpu", "dtype": "auto", "batch_tokens": None, "args": {}}


@pytest.fixture
def image(tmp_path: Path) -> ImageRef:
    file = tmp_path / "image.png"
    Image.effect_noise((40, 30), 80).save(file)
    return ImageRef("image.png", path=file)


def test_answers_are_the_engines(tiny_checkpoint: Path, image: ImageRef) -> None:
    model: Model = load_sqllava(str(tiny_checkpoint), **USUAL)
    requests = tuple(Request(f"q{number}", text) for number, text in enumerate(["is it red", "what colour is it"]))
    groups = [Group(image, requests), Group(None, (Request("t", "is it"),))]
    found = {done.request_id: done for done in model.generate(groups, Settings(max_new_tokens=5))}
    engine = Engine(*load(tiny_checkpoint, device="cpu"))
    queries = ImageQueries(image.open, tuple(Query(request.id, request.prompt) for request in requests))
    for answer in engine.generate([queries, ImageQueries(None, (Query("t", "is it"),))], max_new_tokens=5):
        done = found.pop(answer.id)
        assert (done.text, done.tokens, done.finish_reason) == (answer.text, answer.tokens, answer.finish_reason)
        assert done.logprob == pytest.approx(answer.logprob)
    assert not found


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
    group = [Group(image, (Request("q", "is it red"),))]
    plain = load_sqllava(str(tiny_checkpoint), **USUAL)
    assert [c.logprob for c in plain.generate(group, Settings())] != [
        c.logprob for c in changed.generate(group, Settings())
    ]


def test_a_blind_checkpoint_says_so(tmp_path: Path) -> None:
    tiny.model(sees_images=False).save_pretrained(tmp_path)
    tiny.processor().save_pretrained(tmp_path)
    model = load_sqllava(str(tmp_path), **USUAL)
    assert not model.identity.sees_images
    gone = ImageRef("gone.png", path=tmp_path / "gone.png")  # never opened
    (done,) = model.generate([Group(gone, (Request("q", "is it red"),))], Settings(max_new_tokens=3))
    assert done.error is None


def test_unreadable_images_are_errors_of_their_requests(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = load_sqllava(str(tiny_checkpoint), **USUAL)
    gone = ImageRef("gone.png", path=tmp_path / "gone.png")
    (done,) = model.generate([Group(gone, (Request("q", "is it red"),))], Settings(max_new_tokens=3))
    assert done.finish_reason == "error"
    assert "gone.png" in (done.error or "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"args": {"beams": "3"}}, "no argument beams; it takes template, image_aspect_ratio"),
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
        ({"ckpt": "nowhere", "base": "mini"}, "no such folder; give a folder written by save_pretrained"),
    ],
)
def test_bases_and_towers_that_have_no_use(settings: dict[str, str], words: str) -> None:
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
