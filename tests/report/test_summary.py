"""The table at the end of a run, rendered as a terminal would."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from sqeval.report.summary import details_table, summary_table


def result(primary: str = "accuracy", *, value: float | None = 0.6312, **counted: int) -> dict[str, Any]:
    metric = {"value": value, "stderr": 0.01, "ci95": value and [value - 0.02, value + 0.02], "n": 214_354}
    counts = {"n": 214_354, "scored": 0, "unparsed": 0, "errored": 0, "truncated": 0, **counted}
    return {"primary": primary, "metrics": {primary: {**metric, "clusters": 40_504}}, "counts": counts}


def rendered(metrics: dict[str, dict[str, Any]], width: int = 80) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(summary_table(metrics))
    return capture.get()


@pytest.mark.parametrize("width", [80, 140])
def test_one_line_a_task_with_all_numbers(width: int) -> None:
    metrics = {"vqav2": result(), "coco_caption": result("CIDEr", value=1.134)}
    text = rendered(metrics, width)
    lines = text.splitlines()
    assert lines[1].split() == [
        "vqav2",
        "accuracy",
        "63.1",
        "±",
        "2.0",
        "61.1",
        "to",
        "65.1",
        "214,354",
        "40,504",
    ]
    assert lines[2].split() == [
        "coco_caption",
        "CIDEr",
        "113.4",
        "±",
        "2.0",
        "111.4",
        "to",
        "115.4",
        "214,354",
        "40,504",
    ]
    assert lines[3].strip() == "No answer was unparsed, errored or truncated."


def test_metrics_are_printed_as_their_evaluators_do() -> None:
    """In percent, but for GQA's distance of distributions."""
    found = result(value=0.6312)
    found["metrics"]["distribution"] = {
        "value": 1.2345,
        "stderr": None,
        "ci95": None,
        "n": 5,
        "clusters": 5,
        "scale": 1,
    }
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(details_table({"gqa": found}))
    assert [line.split() for line in capture.get().splitlines()[1:]] == [
        ["accuracy", "63.12", "214,354"], ["distribution", "1.23", "5"],
    ]  # fmt: skip


def test_what_could_not_be_computed_is_said_once_with_what_is_missing() -> None:
    lacking = {**result(), "not_computed": {"spice": "parser.jar is missing"}}
    text = rendered({"coco_caption": lacking, "gqa": {**result(), "not_computed": {}}, "nocaps": lacking}, 120)
    assert text.count("not computed") == 1
    assert "coco_caption, nocaps: spice was not computed: parser.jar is missing" in text


def test_the_data_version_is_said_where_there_are_several() -> None:
    metrics = {
        "pope": {**result(), "data_version": "2,910 random questions"},
        "gqa": {**result(), "data_version": None},
    }
    text = rendered(metrics)
    assert "pope: data version 2,910 random questions" in text
    assert "gqa: data" not in text


def test_what_went_wrong_is_said_by_task() -> None:
    text = rendered({"gqa": result(unparsed=12, truncated=3), "pope": result(errored=1), "vqav2": result()})
    assert "gqa: 12 unparsed, 3 truncated of 214,354" in text
    assert "pope: 1 errored of 214,354" in text
    assert "vqav2: " not in text
    assert "No answer" not in text


def test_markup_and_control_characters_of_names_are_shown_as_they_are() -> None:
    text = rendered({"[red]x[/red]\x1b[2J": result()})
    assert "[red]x[/red][2J" in text
    assert "\x1b" not in text


def test_a_metric_without_value_or_interval() -> None:
    assert "– ±   –" in rendered({"gqa": result(value=None)})


def test_an_interval_without_width_is_no_certainty() -> None:
    """Of 59 images none differs: with a share of 5 % that did, 0.95^59 = 4.8 % of samples would look like that."""
    sure = result(value=1.0)
    sure["metrics"]["accuracy"] |= {"ci95": [1.0, 1.0], "clusters": 59}
    assert "pope: all 59 clusters score the same, hence ±0.0; up to 5.0 % of others may not" in rendered({"pope": sure})
    assert "score the same" not in rendered({"pope": result()})
