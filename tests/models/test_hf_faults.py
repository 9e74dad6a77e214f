"""What goes wrong with models of transformers: told for a question, or in one message for the checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_hf
import torch
from safetensors.torch import load_file, save_file

from sqeval.config import RunConfig
from sqeval.data.images import ImageRef
from sqeval.errors import UserError
from sqeval.model import Group, Request, Settings
from sqeval.models.hf.ahead import ahead
from sqeval.models.hf.checkpoint import content_hash
from sqeval.models.loading import load_model

Make = Callable[..., RunConfig]
NEW = Settings(max_new_tokens=4)


def asked(*texts: str, image: ImageRef | None) -> Group:
    return Group(image, tuple(Request("t", f"{image.key if image else ''}{text[:20]}", text, NEW) for text in texts))


@pytest.mark.parametrize("engine", ["auto", "rows"])
def test_a_bad_question_or_image_fails_alone(
    engine: str, llava: Path, images: list[ImageRef], asking: Make, tmp_path: Path
) -> None:
    torn = tmp_path / "torn.png"
    torn.write_bytes((images[0].path or tmp_path).read_bytes()[:200])
    groups = [
        asked("is it red", "what is <image>", "is it " * 300, image=images[0]),
        asked("one", "two", image=ImageRef("gone.png", path=tmp_path / "gone.png")),
        asked("three", image=ImageRef("torn.png", path=torn)),
        asked("four", image=None),
    ]
    found = {done.id: done for done in load_model(asking(llava, model="hf", engine=engine)).generate(groups)}
    assert len(found) == 7
    good = {key for key, done in found.items() if done.error is None}
    assert good == {"0.pngis it red", "four"}
    assert all(found[key].tokens > 0 for key in good)
    bad = {key: str(done.error) for key, done in found.items() if done.error is not None}
    assert all(found[key].finish_reason == "error" and not found[key].text for key in bad)
    assert "stands for an image" in bad.pop("0.pngwhat is <image>")
    assert "does not fit the context of 512" in bad.pop("0.pngis it is it is it is")
    assert "No such file" in bad["gone.pngone"]
    assert all("image cannot be opened" in error for error in bad.values())


def test_an_answer_ends_where_the_context_does(idefics3: Path, asking: Make) -> None:
    """The longest prompt that fits, and as many new tokens as the context has left."""
    model: Any = load_model(asking(idefics3, model="hf"))
    (short,) = model.prompts.rows(asked("is it red", image=None))
    words = "red " * 505
    (long,) = model.prompts.rows(asked(words, image=None))
    text = words[: len(words) * (510 - short.length) // long.length]
    (row,) = model.prompts.rows(asked(text, image=None))
    room = 512 - row.length
    request = Request("t", "long", text, Settings(max_new_tokens=1000))
    (done,) = model.generate([Group(None, (request,))])
    assert (done.error, done.finish_reason) == (None, "length")
    assert done.tokens == room < 100


@pytest.mark.parametrize("most", [0, 2])
def test_out_of_memory_halves_the_batch(
    most: int, idefics3: Path, images: list[ImageRef], asking: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = [asked("is it red", "what colour is it", "is it", "how many", "where", image=image) for image in images]
    usual = {done.id: done for done in load_model(asking(idefics3, model="hf")).generate(groups)}
    told: list[str] = []
    model: Any = load_model(asking(idefics3, model="hf"))
    model._note = told.append
    generate = model.model.generate

    def crowded(**inputs: Any) -> Any:
        if len(inputs["input_ids"]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(**inputs)

    monkeypatch.setattr(model.model, "generate", crowded)
    before = model.batch_tokens
    found = {done.id: done for done in model.generate(groups)}
    assert told
    assert "out of memory" in told[0]
    assert model.batch_tokens < before
    if most:
        assert {key: done.text for key, done in found.items()} == {key: done.text for key, done in usual.items()}
    else:
        assert {done.error for done in found.values()} == {"out of memory, though computed alone"}


@pytest.fixture
def broken(llava: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a checkpoint with one thing wrong."""

    def make(fault: str) -> Path:
        folder = Path(shutil.copytree(llava, tmp_path / fault))
        if fault == "config":
            (folder / "config.json").unlink()
        elif fault == "type":
            (folder / "config.json").write_text(json.dumps({"model_type": "abacus"}), "utf-8")
        elif fault == "weight":
            weights = load_file(folder / "model.safetensors")
            weights.pop(next(name for name in weights if "down_proj" in name))
            save_file(weights, folder / "model.safetensors", {"format": "pt"})
        elif fault == "torn":
            whole = (folder / "model.safetensors").read_bytes()
            (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
        elif fault == "template":
            (folder / "chat_template.jinja").unlink()
        return folder

    return make


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("config", r"has no config\.json"),
        ("type", "cannot be loaded by transformers: .*abacus"),
        ("weight", "lacks 1 weights of its model: .*down_proj"),
        ("torn", "cannot be loaded by transformers"),
        ("template", "has no chat template; --model-args template=plain"),
    ],
)
def test_a_broken_checkpoint_is_one_message(
    fault: str, words: str, broken: Callable[[str], Path], asking: Make
) -> None:
    with pytest.raises(UserError, match=words):
        load_model(asking(broken(fault), model="hf"))


@pytest.mark.parametrize(
    ("ckpt", "settings", "words"),
    [
        ("nowhere", {}, "no such folder"),
        ("org/gone", {}, "cannot be loaded by transformers"),
        (None, {}, "--model hf needs --ckpt: a folder written by save_pretrained"),
        ("x", {"model_args": {"trust_remote_code": "yes"}}, "expected true or false"),
        ("x", {"model_args": {"templat": "plain"}}, "no setting templat; did you mean 'template'"),
        ("x", {"base": "mini"}, "--base: model hf has no use for it"),
        ("", {"device": "abacus"}, "unknown device"),
        ("", {"model_args": {"template": "gone.jinja"}}, r"gone\.jinja"),
    ],
)
def test_bad_input_is_one_message(
    ckpt: str | None, settings: dict[str, Any], words: str, llava: Path, asking: Make
) -> None:
    with pytest.raises(UserError, match=words):
        load_model(asking(llava if ckpt == "" else ckpt, model="hf", **settings))


def test_whoever_forgets_to_say_hf_is_told(idefics3: Path, asking: Make) -> None:
    with pytest.raises(UserError, match=r"model type 'idefics3'.*; --model hf runs other models of transformers"):
        load_model(asking(idefics3))


def test_the_identity_is_what_decides_the_answers(llava: Path, asking: Make, tmp_path: Path) -> None:
    who = load_model(asking(llava, model="hf")).identity
    assert (who.name, who.kind, who.checkpoint, who.sees_images) == (llava.name, "hf", str(llava), True)
    assert who.checkpoint_hash == content_hash(llava)
    assert who.details["dtype"] == "float32"
    assert who.details["image_processor"] == "CLIPImageProcessorPil"
    copy = Path(shutil.copytree(llava, tmp_path / "copy"))
    (copy / "README.md").write_text("a model", "utf-8")
    assert content_hash(copy) == content_hash(llava)
    (copy / "generation_config.json").write_text("{}", "utf-8")
    assert content_hash(copy) != content_hash(llava)
    template = tmp_path / "mine.jinja"
    template.write_text(tiny_hf.CHAT.replace("USER", "HUMAN"), "utf-8")
    other = load_model(asking(llava, model="hf", model_args={"template": str(template)})).identity
    plain = load_model(asking(llava, model="hf", model_args={"template": "plain"}, dtype="bfloat16")).identity
    assert len({str(one.details["template"]) for one in (who, other, plain)}) == 3
    assert plain.details["dtype"] == "bfloat16"


def test_the_plain_template_is_image_newline_question(asking: Make, images: list[ImageRef], tmp_path: Path) -> None:
    folder = tiny_hf.write_llava(tmp_path, template=None)
    model: Any = load_model(asking(folder, model="hf", engine="rows", model_args={"template": "plain"}))
    (row,) = model.prompts.rows(asked("is it red", image=images[0]))
    tokenizer = model.prompts.processor.tokenizer
    assert tokenizer.decode(row.text["input_ids"]).replace("<image>", "", 8) == "<image>\nis it red"
    (done,) = model.generate([asked("is it red", image=images[0])])
    assert done.error is None


def test_ahead_gives_what_comes_and_what_goes_wrong() -> None:
    assert list(ahead(range(100), 3)) == list(range(100))

    def failing() -> Any:
        yield 1
        raise ValueError("torn")

    found = ahead(failing(), 3)
    assert next(found) == 1
    with pytest.raises(ValueError, match="torn"):
        next(found)
    endless = ahead(iter(int, 1), 3)
    assert next(endless) == 0
    endless.close()  # type: ignore[attr-defined]  # returns: the thread has ended
