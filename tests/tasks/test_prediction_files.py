"""Files of predictions as people have them: every form of every format gives each sample its answer."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from answering import write_json, write_lines

from sqeval.data.join import Allow
from sqeval.data.root import resolve_root
from sqeval.data.xlsx import write_xlsx
from sqeval.errors import DataError
from sqeval.model import Verbatim
from sqeval.task import Sample, Task
from sqeval_tasks.coco_caption import CocoCaption
from sqeval_tasks.gqa import GQA
from sqeval_tasks.mmbench import MMBench
from sqeval_tasks.scienceqa import ScienceQA
from sqeval_tasks.vqav2 import VQAv2

Rows = list[dict[str, Any]]


@cache
def mini(task: type[Task]) -> list[Sample]:
    return task().samples(resolve_root("mini"))


OFFICIAL: dict[type[Task], tuple[str, str]] = {
    VQAv2: ("question_id", "answer"), GQA: ("questionId", "prediction"), CocoCaption: ("image_id", "caption"),
}  # fmt: skip


def as_list(rows: Rows) -> bytes:
    return json.dumps(rows).encode()


def as_lines(rows: Rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


FORMS: dict[str, Callable[[Rows], bytes]] = {
    "list": as_list,
    "list with a byte order mark, indented, newline at the end": lambda rows: (
        b"\xef\xbb\xbf\n" + json.dumps(rows, indent=2, ensure_ascii=False).encode() + b"\n\n"
    ),
    "lines": as_lines,
    "lines of Windows with a byte order mark and blank ones": lambda rows: (
        b"\xef\xbb\xbf" + as_lines(rows).replace(b"\n", b"\r\n") + b"\r\n\n"
    ),
    "gzipped list": lambda rows: gzip.compress(as_list(rows)),
    "gzipped lines": lambda rows: gzip.compress(as_lines(rows)),
    "more fields": lambda rows: as_list([{"model": "m", **row, "score": None, "x": [{"y": 1}]} for row in rows]),
    "shuffled": lambda rows: as_list(random.Random(1).sample(rows, len(rows))),
    "ids as strings": lambda rows: as_list([{name: str(value) for name, value in row.items()} for row in rows]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("task", OFFICIAL, ids=lambda task: task.name)
def test_every_form_of_the_official_file(task: type[Task], form: str, tmp_path: Path) -> None:
    samples, (key, text) = mini(task), OFFICIAL[task]
    wanted = {sample.id: f"Ünd {i}" if i % 7 else "" for i, sample in enumerate(samples)}
    number: Callable[[str], int | str] = str if task is GQA else int
    rows = [{key: number(name), text: answer} for name, answer in wanted.items()]
    path = tmp_path / "predictions.whatever"
    path.write_bytes(FORMS[form](rows))
    found = task().read_predictions(path, samples)
    assert found == wanted
    final = task is not CocoCaption  # which processes nothing, so that there is no difference
    assert {isinstance(answer, Verbatim) for answer in found.values()} == {final}


def test_leading_zeros_are_kept_and_found_again(tmp_path: Path) -> None:
    samples = [Sample(key, None, "?", {"answer": "no"}, "c") for key in ("0123", "045", "45", "67")]
    text = write_json(tmp_path, "text.json", [{"questionId": s.id, "prediction": s.id} for s in samples])
    assert GQA().read_predictions(text, samples) == {s.id: s.id for s in samples}
    clear = [sample for sample in samples if sample.id != "045"]
    numbers = write_json(tmp_path, "n.json", [{"questionId": int(s.id), "prediction": s.id} for s in clear])
    assert GQA().read_predictions(numbers, clear) == {s.id: s.id for s in clear}
    with pytest.raises(DataError, match="1 samples without a prediction: 045"):  # is 45 045 or 45? Never guessed
        GQA().read_predictions(numbers, samples)


def test_scienceqa_s_three_files(tmp_path: Path) -> None:
    samples = mini(ScienceQA)
    texts = {sample.id: "ABCDE"[i % len(sample.metadata["choices"])] for i, sample in enumerate(samples)}
    index = {key: "ABCDE".index(letter) for key, letter in texts.items()}
    summary = {"acc": 70.1, "correct": 1, "count": 2, "results": index, "outputs": dict.fromkeys(index, "x")}
    strings = {"results": {key: str(number) for key, number in index.items()}}
    sorted_out: dict[str, Rows] = {"correct": [], "incorrect": []}
    for i, (key, letter) in enumerate(texts.items()):
        row = {"question_id": key, "parsed_ans": letter, "ground_truth": "A", "pred": letter, "is_multimodal": True}
        sorted_out["correct" if i % 3 else "incorrect"].append(row)
    lines = [{"question_id": key, "prompt": "p", "text": letter, "answer_id": "a"} for key, letter in texts.items()]
    for path in (
        write_json(tmp_path, "summary.json", summary),
        write_json(tmp_path, "strings.json", strings),
        write_json(tmp_path, "sorted.jsonl", sorted_out),
        write_lines(tmp_path, "one-line.jsonl", [sorted_out]),
        write_lines(tmp_path, "answers.jsonl", lines),
    ):
        assert ScienceQA().read_predictions(path, samples) == texts, path.name


def test_mmbench_s_tables(tmp_path: Path) -> None:
    samples = mini(MMBench)
    said = {sample.id: f"{'ABCD'[i % 4]}. because\t" if i % 5 else "" for i, sample in enumerate(samples)}
    header = ["question", "A", "B", "prediction", "answer", "category", "l2-category", "index"]
    rows = [["?", "a", None, text, "A", "c", "l2", int(key)] for key, text in said.items()]
    paths = [tmp_path / name for name in ("a.xlsx", "spreadsheet-without-a-suffix", "a.tsv")]
    for path in paths[:2]:
        path.write_bytes(write_xlsx(header, rows))
    table = io.StringIO(newline="")
    csv.writer(table, delimiter="\t").writerows([header, *rows])
    paths[2].write_text(table.getvalue())
    records = [dict(zip(header, row, strict=True)) for row in rows]
    paths += [
        write_json(tmp_path, "a.json", [{**row, "index": float(row["index"])} for row in records]),
        write_lines(tmp_path, "a.jsonl", [
            {"question_id": row["index"], "round_id": 0, "prompt": "p", "text": row["prediction"], "options": ["a"],
             "option_char": ["A"], "answer_id": "x", "model_id": "m", "metadata": {}} for row in records
        ]),
    ]  # fmt: skip
    for path in paths:
        assert MMBench().read_predictions(path, samples) == said, path.name


def rows_of(samples: list[Sample]) -> Rows:
    return [{"question_id": int(sample.id), "answer": sample.id} for sample in samples]


def test_what_is_missing_too_much_or_double_is_counted_named_and_allowed_by_a_flag(tmp_path: Path) -> None:
    samples = mini(VQAv2)
    rows, task = rows_of(samples), VQAv2()
    ids = {sample.id: sample.id for sample in samples}
    short = write_json(tmp_path, "short.json", rows[3:])
    with pytest.raises(DataError, match=rf"3 samples without a prediction: .*{samples[2].id}.*--allow-missing"):
        task.read_predictions(short, samples)
    assert task.read_predictions(short, samples, Allow(missing=True)) == {s.id: s.id for s in samples[3:]}
    large = write_json(
        tmp_path, "large.json", [*rows, {"question_id": 1, "answer": "x"}, {"question_id": 2, "answer": ""}]
    )
    with pytest.raises(DataError, match=r"2 unknown ids: 1, 2 \(--allow-extra leaves them out\)$"):
        task.read_predictions(large, samples)
    assert task.read_predictions(large, samples, Allow(extra=True)) == ids
    double = write_json(tmp_path, "double.json", [{**rows[0], "answer": "first"}, {**rows[1], "answer": "x"}, *rows])
    with pytest.raises(
        DataError, match=r"double.json:10: question_id: id .* occurs twice, as do 1 others.*--allow-dup"
    ):
        task.read_predictions(double, samples)
    assert task.read_predictions(double, samples, Allow(duplicates=True)) == ids


def test_a_file_about_something_else_is_not_scored_whatever_is_allowed(tmp_path: Path) -> None:
    path = write_json(tmp_path, "a.json", [{"question_id": 1, "answer": "x"}])
    with pytest.raises(DataError, match="none is of a sample: is this file about the same task"):
        VQAv2().read_predictions(path, mini(VQAv2), Allow(True, True, True))


def test_a_torn_gzip_is_a_message(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(as_list(rows_of(mini(VQAv2))))[:-20])
    with pytest.raises(DataError, match="begins as a gzipped file and cannot be unpacked"):
        VQAv2().read_predictions(path, mini(VQAv2))
