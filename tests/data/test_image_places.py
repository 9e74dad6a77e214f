"""Images that lie elsewhere: found there, named as if they lay under the data root, never outside of their place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_roots import COCO, NAMES, pope, vizwiz

from sqeval.config import resolve
from sqeval.data.places import open_root
from sqeval.data.root import DataRoot, resolve_root
from sqeval.errors import DataError, UserError
from sqeval.evaluation import evaluate
from sqeval.registry import get_task


def run(root: Path, out: Path, **more: Any) -> tuple[Any, Any]:
    """Metrics and records of a run of random guesses."""
    outcome = evaluate(resolve({"tasks": "pope", "model": "random", "data": str(root), "out": str(out), **more}))
    lines = (outcome.folder / "pope" / "samples.jsonl").read_text("utf-8").splitlines()
    return outcome.metrics["pope"], [json.loads(line) for line in lines]


@pytest.fixture
def at_home(tmp_path: Path) -> tuple[Any, Any]:
    """A run with the images where they belong."""
    return run(pope(tmp_path / "home"), tmp_path / "out", limit=9)


@pytest.mark.parametrize(
    "line", ["coco/val2014: {place}/val2014", "coco: {place}", "coco/val2014/: ../elsewhere/val2014"]
)
def test_paths_yaml_moves_a_folder_and_nothing_else(line: str, at_home: Any, tmp_path: Path) -> None:
    root = pope(tmp_path / "root", tmp_path / "elsewhere" / "val2014")
    (root / "paths.yaml").write_text(line.format(place=tmp_path / "elsewhere") + "\n", "utf-8")
    assert run(root, tmp_path / "out", limit=9) == at_home  # keys, clusters, hashes, the draw of --limit
    [sample, *_] = get_task("pope").samples(resolve_root(str(root)))
    assert sample.image is not None
    assert sample.image.path == tmp_path / "elsewhere" / "val2014" / NAMES[0]
    assert sample.image.key == sample.cluster == f"{COCO}/{NAMES[0]}"


@pytest.mark.parametrize("given", ["elsewhere", "elsewhere/coco/val2014"])
def test_images_is_what_stands_above_or_the_only_folder(given: str, at_home: Any, tmp_path: Path) -> None:
    root = pope(tmp_path / "root", tmp_path / "elsewhere" / COCO)
    (root / "paths.yaml").write_text("coco: /nowhere\n", "utf-8")  # the flag wins
    assert run(root, tmp_path / "out", limit=9, images=str(tmp_path / given)) == at_home


def test_images_of_two_folders_lie_under_one_above(tmp_path: Path) -> None:
    root = vizwiz(pope(tmp_path / "root", tmp_path / "some"), "val", tmp_path / "others" / "vizwiz" / "val")
    tasks = [get_task("pope"), get_task("vizwiz")]
    with pytest.raises(UserError, match=r"none of the image folders coco/val2014, vizwiz/val; .*above"):
        open_root(str(root), tasks, images=str(tmp_path / "some"))
    found = open_root(str(root), tasks, images=str(tmp_path / "others"))
    assert Path(found.folder("vizwiz/val")) == tmp_path / "others" / "vizwiz" / "val"
    assert Path(found.folder(COCO)) == root / COCO  # what is not there is looked for at home


def test_what_is_missing_is_named_where_it_was_looked_for(tmp_path: Path) -> None:
    root = pope(tmp_path / "root", tmp_path / "some")
    (root / "paths.yaml").write_text("coco: /nowhere/at/all\n", "utf-8")
    with pytest.raises(UserError, match=r"pope: /nowhere/at/all/val2014/COCO_val2014_\*"):
        run(root, tmp_path / "out")
    with pytest.raises(UserError, match=r"--images .*gone: no such folder"):
        run(root, tmp_path / "out", images=str(tmp_path / "gone"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# mine\ncoco/val2015: /x\n", [":2: coco/val2015: ", "'coco/val2014'"]),
        ("coco: [1]\n", [":1: coco: expected the path of a folder"]),
        ("gqa: /x\ncoco: ' '\n", [":2: coco: expected the path of a folder"]),
        ("coco: /x\ncoco/: /y\n", [":2: coco/: given twice"]),
        ("coco: /x\n  y\n: [", ["paths.yaml:", "is not plain YAML"]),
        ("- coco\n", [":1: expected `key: value` lines"]),
    ],
)
def test_what_paths_yaml_has_wrong_is_told_with_its_line(text: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "paths.yaml").write_text(text, "utf-8")
    with pytest.raises(DataError) as caught:
        resolve_root(str(tmp_path))
    assert str(caught.value).startswith(str(tmp_path / "paths.yaml"))
    assert all(word in str(caught.value) for word in words), caught.value


@given(name=st.text(st.sampled_from("ab./\\~: \n"), max_size=12))
def test_no_name_leaves_the_place_of_its_folder(name: str) -> None:
    place = Path("/place/of/images")
    root = DataRoot(Path("/root"), "root", places={COCO: place})
    if ".." in name.split("/") or name.split("/")[-1] in ("", "."):
        with pytest.raises(UserError, match=r"leaves the data root|is that of a folder"):
            root.image(f"{COCO}/{name}")
    else:
        found = root.image(f"{COCO}/{name}").path
        assert found is not None
        assert found.is_relative_to(place)


def test_a_run_scored_again_remembers_where_images_were(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from sqeval.cli.app import app

    root = pope(tmp_path / "root", tmp_path / "elsewhere" / COCO)
    outcome = evaluate(
        resolve({"tasks": "pope", "model": "random", "data": str(root), "out": str(tmp_path), "name": "first",
                 "images": str(tmp_path / "elsewhere"), "limit": 9})
    )  # fmt: skip
    done = CliRunner().invoke(app, ["score", "--predictions", str(outcome.folder), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    again = json.loads((tmp_path / "first-rescored" / "run.json").read_text("utf-8"))
    assert again["config"]["images"] == str(tmp_path / "elsewhere")
    assert again["tasks"] == outcome.run["tasks"]
