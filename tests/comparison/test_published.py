"""Published scores: read strictly, never lost among measured ones, quoted with their sources."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_runs import answers, make_run, truths

from sqeval.boards import boards
from sqeval.errors import DataError
from sqeval.published import NAME, published, read_published, shipped
from sqeval.registry import get_task
from sqeval.report.leaderboard import page
from sqeval.report.rows import as_csv, as_json
from sqeval.report.sheet import markdown

HEADER = "model,task,metric,data,percent,source,note\n"
ROW = 'Ours 7B,gqa,accuracy,testdev,62.5,"A. Author 2024, table 2",\n'


def write(folder: Path, text: str) -> Path:
    (folder / NAME).write_text(text, "utf-8")
    return folder / NAME


def test_the_shipped_scores_are_those_of_the_model_zoos(tmp_path: Path) -> None:
    found = {(score.model, score.task): score for score in published(tmp_path)}
    assert len(found) == 60
    for model, task, value in (  # read off the sources once more, not off the file
        ("LLaVA-1.5 7B", "gqa", 0.62),
        ("LLaVA-1.5 13B", "scienceqa", 0.716),
        ("LLaVA-1.5 7B", "pope", 0.859),
        ("SQ-LLaVA 7B (ShareGPT4V data)", "vqav2", 0.803),
        ("SQ-LLaVA 7B (LLaVA-1.5 data)", "pope", 0.877),
        ("SQ-LLaVA 13B (ShareGPT4V data)", "vizwiz", 0.582),
        ("SQ-LLaVA 13B (LLaVA-1.5 data)", "llava_wild", 0.746),
    ):
        assert found[model, task].value == value


def test_shipped_scores_name_the_metrics_that_the_tasks_show() -> None:
    for score in read_published(shipped()):
        assert score.metric == get_task(score.task).primary
        assert "arXiv" in score.source
        assert score.data


def test_a_user_s_file_adds_rows_and_replaces_those_about_the_same(tmp_path: Path) -> None:
    old = next(score for score in published(tmp_path) if score.task == "gqa" and score.model == "LLaVA-1.5 7B")
    corrected = f'{old.model},gqa,{old.metric},{old.data},61.9,"{old.source}",\n'
    write(tmp_path, "\ufeff" + HEADER + ROW + "\n" + corrected)
    found = {score.about: score for score in published(tmp_path)}
    assert len(found) == 61
    assert found[old.about].value == 0.619
    assert [(score.task, score.value) for score in found.values() if score.model == "Ours 7B"] == [("gqa", 0.625)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a header line"),
        ("model,task\na,b\n", r":1: expected the columns model, task, metric, data, percent, source, note, found"),
        (HEADER + ROW + "a,b,c\n", r":3: expected 7 comma-separated fields, found 3"),
        (HEADER + ROW.replace("62.5", "sixty"), r':2: percent: expected percent .*, found "sixty"'),
        (HEADER + ROW.replace("62.5", "-1"), r":2: percent: expected"),
        (HEADER + ROW.replace("62.5", "nan"), r":2: percent: expected"),
        (HEADER + ROW.replace("62.5", "1e3"), r":2: percent: expected"),
        (HEADER + ROW.replace("62.5", "1000.1"), r":2: percent: expected"),
        (HEADER + "\n" + ROW.replace("62.5", ""), r":3: percent: expected a value, found none"),
        (HEADER + ROW.replace("Ours 7B", " "), r":2: model: expected a value"),
        (HEADER + 'a,gqa,accuracy,,1,"  ",\n', r":2: source: expected a value"),
        (HEADER + ROW + ROW.replace("62.5", "63"), r":3: model, task, metric, data and source are those of line 2"),
        (HEADER + 'a,"b\n', r":2: expected comma-separated fields"),
    ],
)
def test_malformed_rows_are_named(text: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, text)
    with pytest.raises(DataError, match=message) as raised:
        published(tmp_path)
    assert str(raised.value).startswith(str(tmp_path / NAME))


def test_other_data_get_another_column_and_sources_are_numbered(tmp_path: Path) -> None:
    write(
        tmp_path, HEADER + ROW + "Theirs,gqa,accuracy,val,70,Blog,estimated\nOurs 7B,pope,f1_mean,,88,Blog,estimated\n"
    )
    text = markdown.render(page([], read_published(tmp_path / NAME)))
    assert "| model | gqa<br>accuracy | gqa<br>accuracy | pope<br>f1\\_mean |" in text
    assert "| Ours 7B \\[1\\] | 62.5 | – | – |" in text
    assert "| Theirs \\[2\\] | – | 70.0 | – |" in text
    assert "| Ours 7B \\[2\\] | – | – | 88.0 |" in text
    assert "Columns: gqa accuracy: testdev; gqa accuracy: val." in text
    assert "\\[1\\] A. Author 2024, table 2." in text
    assert "\\[2\\] Blog. gqa, pope: estimated." in text


def test_published_scores_are_never_ranked_or_marked_with_measured_ones(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / name, {"colours": answers(truths(100, rate=rate))})
        for name, rate in (("a", 0.9), ("b", 0.5))
    ]
    write(tmp_path, HEADER + "Champion,colours,accuracy,,99.9,Paper,\n")
    quoted = read_published(tmp_path / NAME)
    measured, apart = markdown.render(page(boards(runs))), markdown.render(page(boards(runs), quoted))
    assert apart.startswith(measured)
    added = apart.removeprefix(measured)
    assert "| Champion \\[1\\] | 99.9 |" in added
    assert "**" not in added
    assert "<ins>" not in added
    (row,) = as_json(boards(runs), quoted)["published"]
    assert not {"rank", "best", "tied"} & set(row)
    assert (
        as_csv(boards(runs), quoted).splitlines()[-1] == ",Champion,published,,colours,,accuracy,0.999,,,,,,,,,,Paper,"
    )
