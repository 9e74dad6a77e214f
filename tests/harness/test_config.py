from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqeval.config import parse_model_args, resolve
from sqeval.config_file import read_yaml
from sqeval.errors import DataError, UserError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(text, "utf-8")
    return path


def test_flags_over_file_over_defaults(tmp_path: Path) -> None:
    path = write(tmp_path, "tasks: [pope, gqa]\ndata: mini\nckpt: mini\nlimit: 10\nmodel_args: {a: 1, b: true}\n")
    config = resolve({"limit": 20, "ckpt": None}, path)
    assert (config.tasks, config.data, config.ckpt, config.limit) == (("pope", "gqa"), "mini", "mini", 20)
    assert config.model_args == {"a": "1", "b": "true"}
    assert (config.seed, config.dtype, config.out, config.max_errors) == (0, "auto", "results", 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data: mini\ntasks: pope\nlimt: 3\n", ["run.yaml:3: limt: ", "'limit'"]),
        ("data: mini\ntasks: pope\n\nlimit: many\n", ["run.yaml:4: limit: "]),
        ("data: mini\ntasks: pope\nlimit: 0\n", ["run.yaml:3: limit: "]),
        ("data: mini\ntasks: {a: b}\n", ["run.yaml:2: tasks: "]),
        ("data: mini\ndata: other\n", ["run.yaml:2: data: ", "line 1"]),
        ("tasks: pope\nname: a/b\ndata: mini\n", ["run.yaml:2: name: "]),
        ("tasks: pope\ndata: mini\nmodel_args: 'x'\n", ["run.yaml:3: model_args: ", "name=value"]),
        ("- a\n", ["run.yaml:1: "]),
        ("1: a\n", ["run.yaml:1: "]),
        ("a: [\n", ["run.yaml:2: "]),
        ("tasks: !!python/object/apply:os.system ['true']\n", ["run.yaml:1: ", "YAML"]),
    ],
)
def test_what_a_file_has_wrong_is_told_with_line_and_key(text: str, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        resolve({}, write(tmp_path, text))
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        ({"data": "mini"}, "--tasks"),
        ({"tasks": " , ", "data": "mini"}, "--tasks"),
        ({"tasks": "pope"}, "--data"),
        ({"tasks": "pope", "data": "mini", "dtype": "int8"}, "--dtype"),
        ({"tasks": "pope", "data": "mini", "batch_tokens": "few"}, "--batch-tokens"),
        ({"tasks": "pope", "data": "mini", "batch_tokens": "0"}, "--batch-tokens"),
        ({"tasks": "pope", "data": "mini", "image_workers": "-1"}, "--image-workers"),
        ({"tasks": "pope", "data": "mini", "engine": "steam"}, "--engine"),
        ({"tasks": "pope", "data": "mini", "model_args": "a=1,a=2"}, "--model-args"),
        ({"tasks": "pope", "data": "mini", "seed": -1}, "--seed"),
        ({"tasks": "pope", "data": "mini", "name": ".."}, "--name"),
    ],
)
def test_what_the_command_line_has_wrong_is_told_with_the_flag(given: dict[str, Any], flag: str) -> None:
    with pytest.raises(UserError, match=flag) as caught:
        resolve(given)
    assert not isinstance(caught.value, DataError)


def test_a_flag_that_overrules_the_file_is_the_one_blamed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--limit") as caught:
        resolve({"limit": -1}, write(tmp_path, "tasks: pope\ndata: mini\nlimit: 3\n"))
    assert "run.yaml" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"ckpt": "/a/b/llava-7b/", "data": "mini"}, "llava-7b-mini"),
        ({"ckpt": "org/model v1", "data": "/data/official", "limit": 50, "seed": 2}, "model-v1-official-limit50-seed2"),
        ({"model": "majority", "data": "mini"}, "majority-mini"),
        ({"model": "replay", "ckpt": "x/answers.jsonl", "data": "mini"}, "answers-mini"),
        ({"ckpt": "c", "data": "mini", "name": "try"}, "try"),
    ],
)
def test_the_name_follows_from_model_data_and_limit(given: dict[str, Any], name: str) -> None:
    assert resolve({"tasks": "pope", **given}).folder == Path("results") / name


@pytest.mark.parametrize("key", ["batch_tokens", "image_workers"])
def test_auto_leaves_the_choice_to_the_adapter(key: str) -> None:
    assert getattr(resolve({"tasks": "pope", "data": "mini"}), key) is None
    assert getattr(resolve({"tasks": "pope", "data": "mini", key: "auto"}), key) is None
    assert getattr(resolve({"tasks": "pope", "data": "mini", key: "512"}), key) == 512


def test_model_args() -> None:
    assert parse_model_args(" a=1, b = x=y ,") == {"a": "1", "b": "x=y"}
    for bad in ("a", "=1", "a=1,a=1"):
        with pytest.raises(ValueError, match=r"expected|twice"):
            parse_model_args(bad)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_any_text_is_a_mapping_or_a_message(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(read_yaml(path), dict)
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017


def test_aliases_do_not_blow_up(tmp_path: Path) -> None:
    levels = "".join(f"k{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    with pytest.raises(DataError, match="aliases"):
        resolve({}, write(tmp_path, "k0: &a0 [x]\n" + levels))
