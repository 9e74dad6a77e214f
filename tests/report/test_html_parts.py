"""The parts of the page: places in charts, scores of single answers, references, thumbnails, judges' replies."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree

import judged_data
import numpy as np
import pytest
from html_runs import Saying
from hypothesis import example, given
from hypothesis import strategies as st
from judge_server import judging
from PIL import Image

from sqeval.config import resolve
from sqeval.data.images import ImageRef
from sqeval.evaluation import evaluate
from sqeval.model import Identity
from sqeval.progress import Silent
from sqeval.report.html import charts, links, thumbnails
from sqeval.report.html.data import ERRORED, columns, gather, shown_reference
from sqeval.report.html.page import _json, write_report
from sqeval.report.html.scores import sample_scores
from sqeval.report.html.sources import open_source
from sqeval.runs import load_run

BASELINES = Path(__file__).resolve().parents[2] / "results" / "baselines"
HARD = st.text(st.characters(), max_size=40) | st.sampled_from(["</script>", "<!--", "\ud800", "\u2028", "]]>&amp;"])


def drawn(chart: str) -> ElementTree.Element:
    return ElementTree.fromstring(chart)


def test_bars_are_as_long_as_their_values_and_whiskers_end_at_the_interval() -> None:
    svg = drawn(charts.bars([(0.25, (0.2, 0.3)), (None, None), (0.5, None)], charts.Scale(0.0, 1.0), 'a "label" <'))
    assert [bar.get("width") for bar in svg.iter("rect")] == ["25.00%", "50.00%"]
    assert [bar.get("class") for bar in svg.iter("rect")] == ["bar run0", "bar run2"]
    assert {line.get("x1") for line in svg.iter("line")} == {"20.00%", "30.00%"}
    assert svg.get("aria-label") == 'a "label" <'


@pytest.mark.parametrize(
    ("value", "interval", "better", "kind"),
    [(-0.1, (-0.2, -0.01), 1, "loss"), (-0.1, (-0.2, 0.1), 1, "unclear"), (0.1, (0.05, 0.2), 1, "gain"),
     (0.1, (0.05, 0.2), -1, "loss"), (0.1, None, 1, "unclear")],
)  # fmt: skip
def test_a_difference_has_a_colour_only_where_the_interval_excludes_zero(
    value: float, interval: charts.Interval, better: int, kind: str
) -> None:
    scale = charts.scale_of_differences([value, *(interval or ())])
    svg = drawn(charts.difference(value, interval, scale, "x", better=better))
    [dot] = svg.iter("circle")
    assert dot.get("class") == f"dot {kind}"
    assert dot.get("cx") == f"{50 + 50 * value / scale.high:.2f}%"


@given(st.lists(st.floats(-1e6, 1e6)))
@example([5e-324])
@example([-5e-324])
def test_scales_hold_all_values(values: list[float]) -> None:
    assert all(value <= charts.scale_of(values).high for value in values)
    around = charts.scale_of_differences(values)
    assert around.low == -around.high
    assert all(abs(value) <= around.high for value in values)


@given(HARD)
def test_json_in_a_script_element_is_json_and_nothing_else(text: str) -> None:
    written = _json({"x": text})
    assert json.loads(written) == {"x": text}
    assert not set(written) & set("<>&\u2028\u2029")
    written.encode("utf-8")


@given(HARD, HARD)
def test_links_name_one_sample(task: str, identity: str) -> None:
    known = f"{task}/{identity}".encode("utf-8", "replace").decode()
    assert parse_qs(links.sample(task, identity, show="worse")[1:], keep_blank_values=True)["s"] == [known]


@pytest.mark.parametrize(
    ("reference", "lines"),
    [
        (None, []),
        ("yes", ["yes"]),
        (2, ["2"]),
        (["a", "b", "a"], ["a ×2", "b"]),
        ({"answer": "D", "options": {"A": "red"}, "entailed": []}, ["D", 'options: {"A": "red"}']),
    ],
)
def test_references_are_lines_to_read(reference: Any, lines: list[str]) -> None:
    assert shown_reference(reference) == lines


def test_scores_of_single_answers_make_up_the_stored_metric() -> None:
    """POPE has no score of an answer, but an accuracy; MMBench's metrics are about circles of rotations."""
    run = load_run(BASELINES / "mini")
    for name, metric in (("pope", "accuracy"), ("gqa", "accuracy"), ("scienceqa", "accuracy"), ("nocaps", "cider")):
        found = sample_scores(run.tasks[name])
        assert found is not None
        assert found[0] == metric
        whole = run.tasks[name].result["metrics"][metric]["value"]
        assert np.mean(list(found[1].values())) == pytest.approx(whole, abs=1e-9)
    circular = sample_scores(run.tasks["mmbench"])
    assert circular is not None
    assert set(circular[1]) == {record.id for record in run.tasks["mmbench"].records}


def test_thumbnails_keep_the_shape_and_small_images_their_size(tmp_path: Path) -> None:
    for size, expected in (((800, 400), (320, 160)), ((60, 20), (60, 20))):
        Image.new("RGB", size, "red").save(tmp_path / "x.png")
        content = thumbnails.thumbnail(ImageRef("x", tmp_path / "x.png"))
        assert content is not None
        assert Image.open(io.BytesIO(content)).size == expected
    made = thumbnails.make([None, ImageRef("y", tmp_path / "gone.png")], 10**6, tmp_path / "beside", Silent())
    assert made.addresses == [None, None]
    assert made.missing == 2
    assert not (tmp_path / "beside").exists()


def test_judged_tasks_with_the_judge_s_replies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = judged_data.write_llava_wild(judged_data.write_mmvet(tmp_path / "root"))
    monkeypatch.syspath_prepend(str(judged_data.write_judged_plugins(tmp_path / "site")))
    monkeypatch.setenv("SQEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key")
    given = {"tasks": "mmvet,llava_wild", "model": "majority", "data": str(root), "out": str(tmp_path), "name": "m"}
    model = Saying(lambda key: None if key == "v1_3" else "an answer", Identity("m", "saying"))

    def verdict(question: dict[str, Any], _: int) -> str:
        pair = "4 2" if "Why?" in str(question) else "8 6"
        return pair if "[Assistant 2]" in str(question) else "0.5"

    with judging(verdict) as court:
        monkeypatch.setenv("OPENAI_BASE_URL", court.url)
        evaluate(resolve({**given, "judge": "gpt-4", "judge_rounds": 2, "max_errors": 5}), model=model)
    run = load_run(tmp_path / "m")
    tasks = {name: gather(name, [run], open_source([run], None)) for name in run.tasks}
    mmvet, wild = ({**columns(task, {}), **columns(task, {})["runs"][0]} for task in tasks.values())
    assert mmvet["judged"] == {i: ["0.5", "0.5"] for i in range(3)}
    assert mmvet["scores"] == [0.5, 0.5, 0.5, 0.0]
    assert mmvet["states"][3] & ERRORED
    assert wild["metric"] == "answer"  # in tenths; the relative score is a ratio of sums, not a mean of ratios
    assert wild["scores"] == [0.6, 0.6, 0.2, 0.6]
    assert wild["judged"][0] == ["8 6", "8 6"]
    write_report([run], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "judged by gpt-4 (judge-0613), rounds: 2" in page
    assert "very-secret" not in page
