"""Curves of journals: where they lie, what is averaged, what the picture holds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from sqllava.cli.app import app
from sqllava.curves import read_run, smoothed
from sqllava.errors import SqLlavaError
from sqllava.plot import plot
from sqllava.training.journal import Journal

STAGES = [("alignment", 40), ("tuning", 60)]


def write_run(folder: Path, *, shift: float = 0.0, until: int = 100) -> Path:
    """A journal of two stages as the loop writes it: questions are learnt, and scores measured, in the second."""
    done = 0
    with Journal(folder / "train.jsonl", STAGES, quiet=True) as journal:
        for stage, steps in STAGES:
            for step in range(2, steps + 1, 2):
                if (done := done + 2) > until:
                    return folder
                loss = 3 * math.exp(-step / 20) + shift
                entry: dict[str, Any] = {
                    "stage": stage,
                    "step": step,
                    "steps": steps,
                    "loss": loss,
                    "loss_answer": loss,
                }
                if stage == "tuning":
                    entry |= {"loss_question": loss + 1}
                rates = {"projector": 1e-3, **({"language_model": 2e-4} if stage == "tuning" else {})}
                journal.log({**entry, "lr": rates, "grad_norm": 1.0, "tokens_per_second": 900.0, "padding": 0.1})
                if stage == "tuning" and step % 20 == 0:
                    journal.event("evaluation", stage=stage, step=step, tasks={"gqa": 0.5 + 0.1 * math.sin(step)})
                    journal.event("save", stage=stage, step=step, path="somewhere")
    return folder


def test_stages_follow_each_other_on_the_axis_and_are_parted(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path), "one")
    assert run.ends == {"alignment": 40, "tuning": 100}
    xs, ys = run.curves(lambda path: path == "loss_answer")["loss_answer"]
    assert list(xs[np.isfinite(ys)]) == list(range(2, 101, 2))
    (gap,) = np.flatnonzero(np.isnan(ys))
    assert (xs[gap - 1], xs[gap + 1]) == (40, 42)
    assert list(run.curves(lambda path: path == "loss_question")["loss_question"][0]) == list(range(42, 101, 2))


def test_terms_of_the_loss_stand_for_the_total(tmp_path: Path) -> None:
    found = read_run(write_run(tmp_path), "one").curves(lambda path: path.startswith("loss"))
    assert set(found) == {"loss_answer", "loss_question"}


def test_evaluations_have_their_own_curves(tmp_path: Path) -> None:
    curves = read_run(write_run(tmp_path), "one").curves(lambda path: True, evaluated=True)
    xs, ys = curves["gqa"]
    assert set(curves) == {"gqa"}
    assert list(xs) == [60, 80, 100]
    assert ys == pytest.approx([0.5 + 0.1 * math.sin(step) for step in (20, 40, 60)])


def test_hours_are_those_of_the_journal(tmp_path: Path) -> None:
    lines = [{"stage": "tuning", "step": s, "steps": 3, "loss": 1.0, "seconds": 1800.0 * s} for s in (1, 2, 3)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = read_run(tmp_path, "one", "hours")
    assert list(run.curves(lambda path: path == "loss")["loss"][0]) == [0.5, 1.0, 1.5]
    assert run.ends == {"tuning": 1.5}


@given(st.lists(st.one_of(st.just(math.nan), st.floats(-10, 10)), min_size=1, max_size=30), st.integers(1, 12))
def test_smoothing_averages_neighbours_within_a_stage(values: list[float], width: int) -> None:
    y = np.array(values)
    _, result = smoothed((np.arange(len(y), dtype=float), y), width)
    for i, value in enumerate(values):
        if math.isnan(value):
            assert math.isnan(result[i])
            continue
        window = []
        for step, reach in ((-1, (width - 1) // 2), (1, width // 2)):
            for j in range(i + step, i + step * (reach + 1), step):
                if not 0 <= j < len(values) or math.isnan(values[j]):
                    break
                window.append(values[j])
        assert result[i] == pytest.approx(np.mean([value, *window]), abs=1e-9)


def test_a_picture_has_the_width_of_a_page(tmp_path: Path) -> None:
    plot([write_run(tmp_path / "run")], tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.format == "PNG"
        assert picture.width == 7 * 200
        assert len(picture.convert("RGB").getcolors(2**24) or ()) > 10


def test_the_picture_names_what_it_shows_and_is_the_same_each_time(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "with-questions"), write_run(tmp_path / "without", shift=0.5)]
    for name in ("a.svg", "b.svg"):
        plot(runs, tmp_path / name)
    text = (tmp_path / "a.svg").read_text()
    for word in ("with-questions", "without", "answer", "question", "Learning rate", "language model", "Score", "gqa",
                 "Gradient norm", "Tokens per second", "tuning", f"{0.5 + 0.1 * math.sin(40):.3g}"):  # fmt: skip
        assert f">{word}<" in text, word
    assert "MFU" not in text  # nothing has measured it
    assert text == (tmp_path / "b.svg").read_text()


@pytest.mark.parametrize("until", [2, 4, 44])
def test_a_run_that_has_just_begun_is_drawn(tmp_path: Path, until: int) -> None:
    plot([write_run(tmp_path, until=until)], tmp_path / "curves.png")
    plot([tmp_path], tmp_path / "hours.pdf", x="hours", smooth=5)
    assert (tmp_path / "hours.pdf").read_bytes().startswith(b"%PDF")


def test_what_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "train.jsonl").write_text("")
    for runs, out, message in (
        ([run], tmp_path / "curves.jpg", "expected one of .png, .svg, .pdf"),
        ([run], tmp_path / "nowhere" / "curves.png", "cannot be written: No such file"),
        ([tmp_path / "empty"], tmp_path / "curves.png", "empty: no train.jsonl"),
        ([tmp_path / "begun"], tmp_path / "curves.png", "no step has been logged"),
    ):
        with pytest.raises(SqLlavaError, match=message):
            plot(runs, out)
    lines = (run / "train.jsonl").read_text().splitlines()
    (run / "train.jsonl").write_text("\n".join([*lines[:3], "{", *lines[4:]]) + "\n")
    with pytest.raises(SqLlavaError, match=r"train\.jsonl, line 4: not valid JSON"):
        plot([run], tmp_path / "curves.png")


def test_the_command_draws_and_says_where(tmp_path: Path) -> None:
    out = tmp_path / "curves.svg"
    done = CliRunner().invoke(app, ["plot", str(write_run(tmp_path / "run")), "--out", str(out), "--x", "hours"])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(out)
    assert out.is_file()
