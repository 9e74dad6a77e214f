"""The written page: complete in itself, safe, and about the same numbers as the files of the runs."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import html_runs
import pytest
from PIL import Image
from typer.testing import CliRunner

from sqeval.cli.app import app
from sqeval.errors import UserError
from sqeval.report.html.page import write_report
from sqeval.runs import Run, load_run

BASELINES = Path(__file__).resolve().parents[2] / "results" / "baselines"
IMAGES, EACH = 6, 4


class Page(HTMLParser):
    """What a browser would see: texts of elements by name, ids, and every attribute that can load something."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.inside: list[str] = []
        self.scripts: dict[str, str] = {}
        self.style, self.words, self.policy = "", "", ""
        self.loads: list[str] = []
        self._script = ""
        self.feed(path.read_bytes().decode("utf-8"))
        self.samples: Any = json.loads(self.scripts["samples-json"])
        self.images: list[str | None] = json.loads(self.scripts["images-json"])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert not [name for name in found if name.startswith("on") or name == "style"]
        self.loads += [str(found[name]) for name in ("src", "data", "action") if name in found]
        self.loads += [href for href in [found.get("href")] if href and not href.startswith("#")]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(found["content"])
        if tag == "script":
            self._script = found.get("id") or "program"
        if tag in ("script", "style", "title"):
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if self.inside[-1:] == ["script"]:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data
        elif self.inside[-1:] == ["style"]:
            self.style += data
        else:
            self.words += data


def said(number: int) -> str | None:
    return {1: "blue", 2: html_runs.HOSTILE, 3: None, 5: "red and…", 6: ""}.get(number, "red")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return html_runs.vqav2_root(tmp_path_factory.mktemp("root"), IMAGES, EACH, {1: html_runs.HOSTILE})


@pytest.fixture(scope="module")
def runs(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    out = tmp_path_factory.mktemp("out")
    return html_runs.answered(out / "good", root, lambda _: "red"), html_runs.answered(out / "bad", root, said)


@pytest.fixture(scope="module")
def two(runs: tuple[Run, Run], tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("page") / "deep" / "report.html"
    write_report([runs[1]], path, baseline=runs[0])
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    return Page(path)


def test_the_policy_allows_the_page_s_own_script_and_style_and_no_network(two: Page) -> None:
    rules = dict(part.strip().split(" ", 1) for part in two.policy.split(";"))
    for name, text in (("script-src", two.scripts["program"]), ("style-src", two.style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data: 'self' file:"
    assert not two.loads


def test_samples_are_those_of_the_run_folders(two: Page, runs: tuple[Run, Run]) -> None:
    [task] = two.samples["tasks"]
    for place, run in enumerate(runs):
        records = {record.id: record for record in run.tasks["vqav2"].records}
        answers = task["runs"][place]
        assert task["ids"] == list(records)
        for i, record in enumerate(records.values()):
            assert task["questions"][i] == record.question
            assert task["templates"][task["prompts"][i]][0] + record.question in record.prompt
            assert answers["responses"][i] == record.response
            assert (answers["responses"][i] if answers["parsed"][i] == 0 else answers["parsed"][i]) == record.parsed
            assert answers["scores"][i] == record.scores["accuracy"]
            assert answers["states"][i] == record.errored + 2 * record.unparsed + 4 * record.truncated
    assert task["runs"][1]["errors"] == {"3": "the image is broken"}
    assert task["references"][0] == ["red ×10"]


def test_each_image_is_there_once_though_questions_share_it(two: Page, root: Path) -> None:
    [task] = two.samples["tasks"]
    assert len(two.images) == len(set(two.images)) == IMAGES
    for number, address in ((task["images"][i], two.images[task["images"][i]]) for i in range(IMAGES * EACH)):
        assert address
        picture = Image.open(io.BytesIO(base64.b64decode(address.removeprefix("data:image/webp;base64,"))))
        assert picture.size == (40, 30), number
    shared = {task["images"][i] for i in range(EACH)}
    assert len(shared) == 1


def test_values_intervals_and_flips_are_on_the_page(two: Page, runs: tuple[Run, Run]) -> None:
    low, high = runs[1].tasks["vqav2"].primary["ci95"]
    assert f"{100 * runs[1].tasks['vqav2'].primary['value']:.1f} ±{50 * (high - low):.1f}" in two.words
    assert "5 worse" in two.words
    assert "0 better" in two.words
    assert "red and…" in two.words  # an example of a truncated answer
    assert "saying" in two.words  # from the run record
    assert html_runs.HOSTILE[:30] in two.words
    assert "\u202e" not in two.words
    assert "\x1b" not in two.words


def test_thumbnails_that_do_not_fit_are_beside_the_page(runs: tuple[Run, Run], tmp_path: Path) -> None:
    path, beside = tmp_path / "my report.html", tmp_path / "my report_files"
    written = write_report([runs[1]], path, embed_mb=0)
    page = Page(path)
    assert written.files == IMAGES == len(list(beside.iterdir()))
    assert all(address and address.startswith("my%20report_files/") for address in page.images)
    assert "move them together" in page.words
    (beside / "notes.txt").write_text("mine")
    write_report([runs[1]], path, embed_mb=25)
    assert [file.name for file in beside.iterdir()] == ["notes.txt"]


def test_some_fit(runs: tuple[Run, Run], tmp_path: Path) -> None:
    """Those of wrong samples come first: images 0 and 1 have the errored, the wrong, the cut and the empty answers."""
    write_report([runs[1]], tmp_path / "all.html")
    sizes = [len(address or "") for address in Page(tmp_path / "all.html").images]
    write_report([runs[1]], tmp_path / "some.html", embed_mb=sum(sizes[:2]) / 1e6)
    page = Page(tmp_path / "some.html")
    assert [bool(address and address.startswith("data:")) for address in page.images] == [True] * 2 + [False] * 4
    [task] = page.samples["tasks"]
    assert {task["images"][i] for i in (1, 2, 3, 5, 6)} == {0, 1}


def test_images_that_are_not_there(root: Path, runs: tuple[Run, Run], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    pictures = sorted((copy / "coco" / "val2014").iterdir())
    pictures[0].write_bytes(b"no image")
    written = write_report([runs[0]], tmp_path / "r.html", data=str(copy))
    assert written.notes == [f"1 of {IMAGES} images are missing or cannot be opened."]
    assert Page(tmp_path / "r.html").images.count(None) == 1


def test_a_missing_data_root_is_told_and_a_named_one_must_be_there(runs: tuple[Run, Run], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs[0].path, folder)
    info = json.loads((folder / "run.json").read_text("utf-8"))
    info["config"]["data"] = str(tmp_path / "gone")
    (folder / "run.json").write_text(json.dumps(info), "utf-8")
    write_report([load_run(folder)], tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    assert "No images: the data" in page.words
    assert not page.images
    assert page.samples["tasks"][0]["questions"][0] == "What color is thing 0?"
    with pytest.raises(UserError, match="no such folder"):
        write_report([load_run(folder)], tmp_path / "r.html", data=str(tmp_path / "gone"))


def test_a_page_that_cannot_be_written_leaves_the_old_one(runs: tuple[Run, Run], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        write_report([runs[0]], tmp_path / "file" / "r.html")


def test_stored_baselines_have_questions_from_the_data_and_no_responses(
    root: Path, runs: tuple[Run, Run], tmp_path: Path
) -> None:
    from sqeval.baseline import store

    stored = load_run(store(runs[0], tmp_path / "baselines", None))
    write_report([runs[1]], tmp_path / "r.html", baseline=stored)
    write_report([stored], tmp_path / "alone.html")
    both, alone = Page(tmp_path / "r.html"), Page(tmp_path / "alone.html")
    assert len(both.images) == len(alone.images) == IMAGES
    assert both.samples["tasks"][0]["runs"][0]["full"] is False
    assert both.samples["tasks"][0]["runs"][0]["responses"] == [None] * (IMAGES * EACH)
    assert "What color is thing 0?" in alone.samples["tasks"][0]["questions"]
    other = html_runs.vqav2_root(tmp_path / "other", IMAGES, EACH)
    [note] = write_report([stored], tmp_path / "alone.html", data=str(other)).notes
    assert "another hash" in note


def test_answers_that_are_not_public(tmp_path: Path) -> None:
    root = html_runs.vqav2_root(tmp_path / "root", 2, 2)
    (root / "vqav2" / "v2_mscoco_val2014_annotations.json").unlink()
    questions = root / "vqav2" / "v2_OpenEnded_mscoco_val2014_questions.json"
    questions.rename(root / "vqav2" / "v2_OpenEnded_mscoco_test2015_questions.json")
    (root / "coco" / "val2014").rename(root / "coco" / "test2015")
    for path in (root / "coco" / "test2015").iterdir():
        path.rename(path.with_name(path.name.replace("val2014", "test2015")))
    run = html_runs.answered(tmp_path / "out" / "hidden", root, lambda _: "red")
    write_report([run], tmp_path / "r.html", baseline=run)
    page = Page(tmp_path / "r.html")
    assert "not public" in page.words
    assert page.samples["tasks"][0]["metric"] is None
    assert len(page.images) == 2


def test_the_command_on_committed_baselines(tmp_path: Path) -> None:
    """All of the mini suite: captions, rotations in circles, F1."""
    names, out = ("mini", "mini-blind", "majority"), tmp_path / "r.html"
    paths = [str(BASELINES / name) for name in names]
    result = CliRunner().invoke(app, ["report", *paths, "-o", str(out)])
    assert result.exit_code == 0, result.output
    page = Page(out)
    tasks = {task["name"]: task for task in page.samples["tasks"]}
    assert tasks["coco_caption"]["metric"] == "cider"
    assert not tasks["coco_caption"]["bounded"]
    assert tasks["pope"]["metric"] == tasks["mmbench"]["metric"] == "accuracy"
    for name, task in tasks.items():
        stored = json.loads((BASELINES / names[-1] / name / "metrics.json").read_text("utf-8"))
        scores = [score for score in task["runs"][-1]["scores"] if score is not None]
        if task["metric"] in stored["metrics"]:
            expected = stored["metrics"][task["metric"]]["value"]
            assert sum(scores) / len(scores) == pytest.approx(expected, abs=1e-4)
    assert page.images
    assert all(image is not None for image in page.images)


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(tmp_path), "-o", str(tmp_path / "r.html")])
    assert result.exit_code == 2
    assert "no finished run" in result.stderr
    assert not list(tmp_path.iterdir())
