"""The commands as people type them, on the mini suite, whose truth is known."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sqeval.cli.app import app
from sqeval.data.mini import ensure_mini
from sqeval.questions.corruptions import CORRUPTIONS
from sqeval.questions.files import ImageQuestions, read_questions, write_questions
from sqeval.questions.metrics import METRICS
from sqeval.questions.mini_truth import MiniWorld

RUNNER = CliRunner()
IMAGES = 40


def sqeval(*words: object, code: int = 0) -> str:
    result = RUNNER.invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.output


def named(image: ImageQuestions, run_id: str, pictures: Path) -> ImageQuestions:
    """The same questions as another run, with the file of their picture."""
    questions = (replace(q, qid=f"{run_id}/{image.image_id}/{i}") for i, q in enumerate(image.questions))
    return replace(image, run_id=run_id, image=str(pictures / image.image_id), questions=tuple(questions))


@pytest.fixture(scope="module")
def world() -> MiniWorld:
    return MiniWorld(IMAGES)


@pytest.fixture(scope="module")
def pictures() -> Path:
    return ensure_mini() / "coco" / "val2014"


@pytest.fixture(scope="module")
def asked(world: MiniWorld, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the suite's generator asks when it looks, and when it does not."""
    folder = tmp_path_factory.mktemp("asked")
    found = {}
    for name, looks in (("sees", True), ("blind", False)):
        images = [named(image, name, pictures) for image in world.template_asker(5, looks=looks)]
        found[name] = folder / f"{name}.questions.jsonl"
        write_questions(found[name], images)
    return found


@pytest.fixture(scope="module")
def scores(asked: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scores")
    captions = ensure_mini() / "coco/annotations/captions_val2014.json"
    output = sqeval("questions", "score", *asked.values(), "--captions", captions, "-o", out)
    assert "UQ-T1@5" in output
    return out


def test_looking_pays_and_the_files_agree_with_each_other(scores: Path) -> None:
    summaries = {name: json.loads((scores / name / "summary.json").read_text()) for name in ("sees", "blind")}
    sees, blind = (summaries[name]["metrics"]["gr.premise_fpr"] for name in ("sees", "blind"))
    assert sees["value"] == 0
    assert blind["value"] > 0.2
    assert summaries["sees"]["headline"]["value"] > summaries["blind"]["headline"]["value"]
    rows = list(csv.DictReader((scores / "sees" / "question_scores.csv").open(encoding="utf-8")))
    assert len(rows) == summaries["sees"]["n_questions"] == 5 * IMAGES
    assert summaries["sees"]["metrics"]["uq.usable"]["value"] == pytest.approx(
        sum(int(row["usable"]) for row in rows) / len(rows)
    )
    images = list(csv.DictReader((scores / "sees" / "image_scores.csv").open(encoding="utf-8")))
    at_k = [float(row["uq_at_5"]) for row in images]
    assert summaries["sees"]["headline"]["value"] == pytest.approx(sum(at_k) / len(at_k))
    for entry in summaries["sees"]["metrics"].values():
        assert (entry["value"] is None) == ("reason" in entry)


def test_every_metric_is_in_the_register(scores: Path) -> None:
    found = set(json.loads((scores / "sees" / "summary.json").read_text())["metrics"])
    assert found == {name for name, metric in METRICS.items() if metric.tier <= 1}
    for name in METRICS:
        assert METRICS[name].formula in " ".join(sqeval("questions", "explain", name).split())
    assert set(METRICS["gr.rauc"].expected) <= set(CORRUPTIONS)


def test_comparison_is_paired_and_refuses_other_tiers(scores: Path, asked: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    sqeval("questions", "compare", scores / "blind", scores / "sees", "--json", out)
    found = {row["metric"]: row for row in json.loads(out.read_text())["compared"]}
    assert found["uq.at_k"]["change"] > 0
    assert found["uq.at_k"]["images"] == IMAGES
    sqeval("questions", "score", asked["sees"], "--tier", 0, "-o", tmp_path)
    assert "tier (1 and 0)" in sqeval("questions", "compare", scores / "sees", tmp_path / "sees", code=5)


def test_the_oracle_finds_what_needs_the_image(asked: dict[str, Path], tmp_path: Path, world: MiniWorld) -> None:
    out = tmp_path / "o.answers.jsonl"
    sqeval("questions", "answer", asked["sees"], "--answerer", "oracle", "-J", 3, "-o", out)
    before = out.read_bytes()
    lines = before.splitlines(keepends=True)
    assert len(lines) == 5 * IMAGES * 5
    out.write_bytes(b"".join(lines[:100]) + lines[100][:30])  # killed in the middle of a line
    sqeval("questions", "answer", asked["sees"], "--answerer", "oracle", "-J", 3, "-o", out)
    assert out.read_bytes() == before
    scored = tmp_path / "scores"
    sqeval("questions", "score", asked["sees"], "--tier", 3, "--answers", out, "-o", scored)
    rows = list(csv.DictReader((scored / "sees" / "question_scores.csv").open(encoding="utf-8")))
    assert all(float(row["an.answerable"]) == 1 for row in rows)
    for row in rows:
        image, text = row["image_id"], row["raw"]
        guess = world.answers[text].most_common(1)[0][0]
        assert (float(row["an.visual"]) > 0) == (guess != (world.truth(image, text).answer or "no"))
    refused = sqeval("questions", "answer", asked["sees"], "--answerer", "oracle", "-J", 100, "-o", out, code=2)
    assert "--yes" in refused


def test_the_report_holds_hostile_text_still(asked: dict[str, Path], tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)> What is it?"
    images = read_questions(asked["sees"])
    first = images[0].questions[0]
    images[0] = replace(images[0], questions=(replace(first, text=hostile), *images[0].questions[1:]))
    spoilt = tmp_path / "h.questions.jsonl"
    write_questions(spoilt, images)
    sqeval("questions", "score", spoilt, "--tier", 0, "-o", tmp_path / "s")
    few = tmp_path / "few.questions.jsonl"
    write_questions(few, images[:6])
    sqeval("questions", "validate", few, "--tier", 0, "-o", tmp_path / "v.json")
    page = tmp_path / "q.html"
    sqeval("questions", "report", tmp_path / "s", "--validation", tmp_path / "v.json", "-o", page)
    text = page.read_text(encoding="utf-8")
    tags: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            tags.append(tag)
            assert not any(name.startswith("on") for name, _ in attrs)

    Tags().feed(text)
    assert "script" not in tags
    assert "default-src 'none'" in text
    assert tags.count("svg") >= 2
    assert "img" in tags


def test_validation_fails_under_strict_where_a_metric_is_blind(tmp_path: Path, asked: dict[str, Path]) -> None:
    """One question, asked of everybody: nothing can fall any further, so that claims fail."""
    images = [
        replace(i, questions=tuple(replace(q, text="What is it?") for q in i.questions))
        for i in read_questions(asked["sees"])
    ]
    path = tmp_path / "same.questions.jsonl"
    write_questions(path, images)
    output = sqeval("questions", "validate", path, "--tier", 0, "--strict", code=5)
    assert "FAIL" in output


@pytest.mark.slow
def test_asking_goes_on_where_it_was_killed(pictures: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    names = sorted(path.name for path in pictures.iterdir())[:33]  # more than are asked about at once
    (tmp_path / "broken.png").write_bytes(b"no image")
    manifest.write_text("image\n" + "".join(f"{pictures / name}\n" for name in names))
    whole, killed = tmp_path / "whole" / "q.questions.jsonl", tmp_path / "killed" / "q.questions.jsonl"
    words = [
        "ask",
        "--ckpt",
        "mini",
        "--images",
        str(manifest),
        "-n",
        "2",
        "--temperature",
        "0.7,1.2",
        "--answer",
        "-o",
    ]
    sqeval(*words, whole)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", "from sqeval.cli.app import main; main()", *words, str(killed)], env=environment
    )
    while not (killed.is_file() and killed.stat().st_size > 0) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    sqeval(*words, killed)
    assert killed.read_bytes() == whole.read_bytes()
    lines: list[ImageQuestions] = read_questions(whole)
    assert [len(line.questions) for line in lines] == [2] * 66
    assert {line.run_id for line in lines} == {"mini-t0.7", "mini-t1.2"}
    assert lines[0].gen["protocol"] == "vuser"
    assert all(q.logprob is not None and q.answer is not None for line in lines for q in line.questions)
    assert "other settings (seed)" in sqeval(*words, killed, "--seed", 1, code=2)
    manifest.write_text(f"image\n{pictures / names[0]}\n{tmp_path / 'broken.png'}\n")
    told = sqeval(
        "ask", "--ckpt", "mini", "--images", manifest, "-n", "1", "-o", tmp_path / "b.questions.jsonl", code=5
    )
    assert "1 questions about 2 images" in told


def test_sequential_questions_see_each_other(pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "two"
    folder.mkdir()
    for path in sorted(pictures.iterdir())[:2]:
        (folder / path.name).symlink_to(path)
    out = tmp_path / "s.questions.jsonl"
    sqeval("ask", "--ckpt", "mini", "--images", folder, "-n", 3, "--sequential", "--preface", "none", "-o", out)
    lines = read_questions(out)
    assert [line.gen["sampling"] for line in lines] == ["sequential"] * 2
    assert [len(line.questions) for line in lines] == [3, 3]
    assert lines[0].preface is None
