"""VizWiz: LLaVA's prompt, answer types, answerability, the test split and its submission, formats of answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from answering import answered, data_root, values, write_json, write_lines
from golden_captions import GOLDEN, IMAGES, OFFICIAL, SAID, references

from sqeval.errors import DataError, UserError
from sqeval.model import Verbatim
from sqeval.stats import estimate
from sqeval.task import Sample
from sqeval_tasks.vizwiz import VizWiz

TASK = VizWiz()
PROMPT = (
    "What is this?  it's mine.\n"
    "When the provided information is insufficient, respond with 'Unanswerable'.\n"
    "Answer the question using a single word or phrase."
)


def row(number: int, answers: list[str], kind: str, split: str = "val", **fields: Any) -> dict[str, Any]:
    return {
        "image": f"VizWiz_{split}_{number:08d}.jpg", "question": "what is THIS?  It's mine.",
        "answers": [{"answer": a, "answer_confidence": "yes"} for a in answers], "answer_type": kind, **fields,
    }  # fmt: skip


VAL = [
    row(0, ["coke"] * 7 + ["Coca Cola"] * 3, "other"),
    row(1, ["unanswerable"] * 8 + ["blurry"] * 2, "unanswerable", answerable=0),
    row(2, ["yes"] * 10, "yes/no", answerable=1),
]
TEST = [{"image": f"VizWiz_test_{i:08d}.jpg", "question": "What?"} for i in (3, 0)]


def samples(root: Path, rows: list[dict[str, Any]] = VAL) -> list[Sample]:
    write_json(root, "vizwiz/val.json", rows)
    return TASK.samples(data_root(root))


def test_question_and_prompt(tmp_path: Path) -> None:
    first, second, _ = samples(tmp_path)
    assert TASK.prompt(first) == PROMPT
    assert (first.id, first.cluster) == ("VizWiz_val_00000000.jpg", "vizwiz/val/VizWiz_val_00000000.jpg")
    assert first.tags == {"answer_type": "other"}
    assert (first.reference["answerable"], second.reference["answerable"]) == (True, False)
    assert (TASK.settings.max_new_tokens, TASK.settings.temperature) == (128, 0)
    assert TASK.data_version(data_root(tmp_path), [first]) == "val"


@pytest.mark.parametrize(
    ("response", "parsed", "accuracy"),
    [("Coke.", "coke", 1.0), ("The coke", "coke", 1.0), ("Coca Cola", "coca cola", 0.0), (" ", None, 0.0)],
)
def test_people_s_answers_are_compared_as_they_are(
    tmp_path: Path, response: str, parsed: str | None, accuracy: float
) -> None:
    score = TASK.score(response, samples(tmp_path)[0])
    assert (score.parsed, score.values["accuracy"]) == (parsed, accuracy)


def test_metrics(tmp_path: Path) -> None:
    found = values(TASK, answered(TASK, samples(tmp_path), lambda sample: "Unanswerable"))
    as_captions = {name for name in found if name.startswith("answer_")}
    assert as_captions == {f"answer_{name}" for name in OFFICIAL}
    assert {name: found[name] for name in found.keys() - as_captions} == {
        "accuracy": pytest.approx(1 / 3), "accuracy/answer_type=other": 0.0, "accuracy/answer_type=unanswerable": 1.0,
        "accuracy/answer_type=yes/no": 0.0, "unanswerable_ap": pytest.approx(1 / 3),
        "unanswerable_f1": pytest.approx(1 / 2), "unanswerable_precision": pytest.approx(1 / 3),
        "unanswerable_recall": 1.0,
    }  # fmt: skip


def test_the_best_answer_and_errors(tmp_path: Path) -> None:
    rows = samples(tmp_path)
    assert values(TASK, answered(TASK, rows, TASK.gold))["accuracy"] == 1.0
    errored = values(TASK, answered(TASK, rows, lambda sample: None))
    wrong = {name: value for name, value in errored.items() if not name.startswith("answer_")}
    assert wrong.pop("unanswerable_ap") == pytest.approx(1 / 3)  # the share of the unanswerable: a coin's value
    assert set(wrong.values()) == {0.0}


def test_answers_have_the_official_scores_of_captions(tmp_path: Path) -> None:
    """On texts that the packaged evaluation has scored; its own people described the images."""
    told = references()
    images = [f"{image}.jpg" for image in IMAGES]
    rows = samples(
        tmp_path,
        [{**row(0, told[i], "other"), "image": name} for i, name in zip(IMAGES, images, strict=True)],
    )
    results = write_json(
        tmp_path, "r.json", [{"image": name, "answer": SAID[i]} for i, name in zip(IMAGES, images, strict=True)]
    )
    answers = TASK.read_predictions(results, rows)
    records = answered(TASK, rows, lambda sample: answers[sample.id])
    extra = TASK.corpus_scores(records, rows)
    assert extra is not None
    records = [record.with_scores(more) for record, more in zip(records, extra, strict=True)]
    found = {metric.name: estimate(metric, replicates=2).value for metric in TASK.metrics(records)}
    for name, official in OFFICIAL.items():
        assert found[f"answer_{name}"] == pytest.approx(GOLDEN["expected"][official], rel=1e-12)


def test_without_java_there_is_everything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqeval_tasks.vizwiz.find_java", _no_java)
    rows = samples(tmp_path)
    records = answered(TASK, rows, TASK.gold)
    assert TASK.corpus_scores(records, rows) is None
    assert TASK.not_computed() == {f"answer_{name}": "no Java" for name in OFFICIAL}
    assert values(TASK, records)["accuracy"] == 1.0


def _no_java() -> None:
    raise UserError("no Java")


def test_the_answerability_challenge_has_a_file_of_its_own(tmp_path: Path) -> None:
    rows = samples(tmp_path)
    said = dict(zip([sample.id for sample in rows], ["coke", "Unanswerable.", None], strict=True))
    files = TASK.other_submissions(answered(TASK, rows, lambda sample: said[sample.id]))
    assert {name: json.loads(content) for name, content in files.items()} == {
        ".answerability.json": [
            {"image": key, "answerable": value} for key, value in zip(said, (1.0, 0.0, 1.0), strict=True)
        ]
    }


def test_every_name_of_a_question_is_understood(tmp_path: Path) -> None:
    rows = samples(tmp_path)
    want = {sample.id: f"answer {i}" for i, sample in enumerate(rows)}
    llava = [{"question_id": i, "text": f"answer {i}", "prompt": "p"} for i in range(3)]
    assert TASK.read_predictions(write_lines(tmp_path, "llava.jsonl", llava), rows) == want
    hub = [{"question_id": Path(key).stem, "text": text} for key, text in want.items()]
    assert TASK.read_predictions(write_lines(tmp_path, "hub.jsonl", hub[::-1]), rows) == want
    official = TASK.read_predictions(
        write_json(tmp_path, "r.json", [{"image": key, "answer": text} for key, text in want.items()]), rows
    )
    assert official == want
    assert {type(answer) for answer in official.values()} == {Verbatim}
    with pytest.raises(DataError, match=r"1 samples without a prediction: VizWiz_val_00000002.jpg"):
        TASK.read_predictions(write_lines(tmp_path, "short.jsonl", llava[:2]), rows)


def test_the_submission_scores_as_the_run_does(tmp_path: Path) -> None:
    rows = samples(tmp_path)
    spoken = answered(TASK, rows, lambda sample: "It's the Coke!" if sample is rows[0] else TASK.gold(sample).upper())
    suffix, content = TASK.submission(spoken)
    (tmp_path / f"s{suffix}").write_bytes(content)
    final = TASK.read_predictions(tmp_path / "s.json", rows)
    assert [r.scores for r in answered(TASK, rows, lambda s: final[s.id])] == [r.scores for r in spoken]


def test_the_test_split_has_a_submission_and_no_score(tmp_path: Path) -> None:
    write_json(tmp_path, "vizwiz/test.json", TEST)
    root = data_root(tmp_path)
    rows = TASK.samples(root)
    assert [wanted.path for wanted in TASK.wanted(root)] == ["vizwiz/test.json", "vizwiz/test/*"]
    assert TASK.data_version(root, rows) == "test (no score: the answers are not public)"
    assert rows[0].cluster == "vizwiz/test/VizWiz_test_00000003.jpg"
    assert TASK.gold(rows[0]) == ""
    records = answered(TASK, rows, lambda sample: "Black." if sample is rows[0] else None)
    assert [metric.name for metric in TASK.metrics(records)] == ["accuracy"]
    assert len(TASK.metrics(records)[0].ids) == 0
    assert json.loads(TASK.submission(records)[1]) == [
        {"image": "VizWiz_test_00000003.jpg", "answer": "black"}, {"image": "VizWiz_test_00000000.jpg", "answer": ""},
    ]  # fmt: skip


def test_val_comes_before_test(tmp_path: Path) -> None:
    write_json(tmp_path, "vizwiz/test.json", TEST)
    assert len(samples(tmp_path)) == len(VAL)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"answers": []}, r"val.json:2: answers: expected at least one answer"),
        ({"answers": [{"answer": 3}]}, r":\d+: answer: expected a string, found 3"),
        ({"answerable": 2}, r":2: answerable: expected 0 or 1, found 2"),
        ({"image": "../x.jpg"}, r":2: image: .*leaves the data root"),
        ({"answer_type": None}, r":2: answer_type: expected a string, found null"),
        ({"question": 1}, r":2: question: expected a string, found 1"),
    ],
)
def test_malformed_records(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        samples(tmp_path, [{**VAL[0], **change}])
    with pytest.raises(DataError, match=r"image: id .* occurs twice"):
        samples(tmp_path, [VAL[0], VAL[0]])
