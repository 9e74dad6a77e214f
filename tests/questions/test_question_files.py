"""Questions on disk: round trips, what others wrote, and messages about what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqeval.errors import DataError
from sqeval.questions.answers import Answer, read_answers
from sqeval.questions.context import joined
from sqeval.questions.files import Asked, Context, ImageQuestions, read_questions, write_questions
from sqeval.questions.importers import FORMATS, as_questions

GEN = {"sampling": "iid", "n": 1, "temperature": 1.2, "seed": 0}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
QUESTION = st.builds(
    Asked,
    qid=st.uuids().map(str),
    text=TEXT,
    finish_reason=st.sampled_from(["stop", "length"]),
    n_tokens=st.none() | st.integers(1, 300),
    logprob=st.none() | st.floats(-500, 0),
    answer=st.none() | TEXT,
    extra=st.just({}) | st.just({"ours": [1, "x"]}),
)
IMAGE = st.builds(
    ImageQuestions,
    run_id=st.just("run"),
    image_id=st.uuids().map(str),
    questions=st.lists(QUESTION, max_size=3).map(tuple),
    model=st.just({"name": "m", "family": "f"}),
    gen=st.just(GEN),
    image=st.none() | st.just("a.jpg"),
    preface=st.none() | st.tuples(TEXT, TEXT),
    context=st.builds(
        Context,
        st.lists(TEXT, max_size=2).map(tuple),
        st.none() | st.lists(TEXT, max_size=2).map(tuple),
        st.lists(TEXT, max_size=1).map(tuple),
    ),
    extra=st.just({}) | st.just({"timing": {"s": 1.0}}),
)


@given(st.lists(IMAGE, min_size=1, max_size=3))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, images: list[ImageQuestions]) -> None:
    path = tmp_path_factory.mktemp("round") / "x.questions.jsonl"
    write_questions(path, images)
    assert read_questions(path) == images


def line(**changes: Any) -> dict[str, Any]:
    whole = {
        "schema": "sqeval.questions/1", "run_id": "r", "image_id": "i", "model": {"name": "m"}, "gen": GEN,
        "questions": [{"qid": "r/i/0", "text": "What is it?"}],
    }  # fmt: skip
    return {key: value for key, value in {**whole, **changes}.items() if value is not ...}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schema": "other/2"}, "schema: expected sqeval.questions/1"),
        ({"model": {}}, "name: expected a string"),
        ({"gen": {**GEN, "sampling": "maybe"}}, "sampling: expected one of"),
        ({"gen": {"sampling": "iid", "n": 1, "seed": 0}}, "temperature: expected a number"),
        ({"questions": [{"qid": "a"}]}, "text: expected a string"),
        ({"questions": [{"qid": "a", "text": "?", "logprob_sum": "much"}]}, "logprob_sum: expected a number"),
        ({"image_id": ...}, "image_id: expected a string, found no such field"),
        ({"questions": [{"qid": "a", "text": "?"}] * 2}, "id 'a' occurs twice"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    path = tmp_path / "x.questions.jsonl"
    other = line(image_id="first", questions=[])
    path.write_text(f"{json.dumps(other)}\n{json.dumps(line(**changes))}\n")
    with pytest.raises(DataError) as caught:
        read_questions(path)
    assert f"{path}:2" in str(caught.value)
    assert told in str(caught.value).replace('"', "'")


def test_the_release_s_own_files(tmp_path: Path) -> None:
    asked = tmp_path / "sq.json"
    asked.write_text(
        '{"question_id": 1, "image": "a.jpg", "prompt": ["What?", "Why?"]},\n'
        '{"question_id": 2, "image": "b.jpg", "prompt": ["How?"]},\n'
    )
    read, gen = FORMATS["sqllava-sq"]
    images = as_questions(read(asked), "run", "sqllava", "llava", gen)
    assert [(i.image_id, [q.text for q in i.questions]) for i in images] == [
        ("a.jpg", ["What?", "Why?"]),
        ("b.jpg", ["How?"]),
    ]
    assert images[0].gen["n"] == 2
    answered = tmp_path / "qa.json"
    answered.write_text('{"id": 1, "image": "a.jpg", "sampler": ["q", "a"], "dialogues": [["What?", "A dog."]]},\n')
    (image,) = as_questions(FORMATS["sqllava-qa"][0](answered), "run", "m", None, gen)
    assert (image.questions[0].text, image.questions[0].answer) == ("What?", "A dog.")


def test_other_formats(tmp_path: Path) -> None:
    vqa = tmp_path / "vqa.json"
    vqa.write_text(json.dumps({"questions": [{"image_id": 7, "question_id": 70, "question": "What?"}]}))
    assert FORMATS["vqa-v2"][0](vqa) == {"7": [("What?", None)]}
    table = tmp_path / "t.csv"
    table.write_text('image,question\na.jpg,"Red, or blue?"\na.jpg,Who?\n')
    assert FORMATS["csv"][0](table) == {"a.jpg": [("Red, or blue?", None), ("Who?", None)]}
    other = tmp_path / "seeq.json"
    other.write_text(
        json.dumps([{"image": "a", "generations": [[{"gene_question": "What?"}], [{"gene_question": "Who?"}]]}])
    )
    assert FORMATS["seeq"][0](other) == {"a": [("What?", None), ("Who?", None)]}
    table.write_text("picture,question\n")
    with pytest.raises(DataError, match="columns image and question"):
        FORMATS["csv"][0](table)


def test_captions_and_objects_find_their_images(tmp_path: Path) -> None:
    captions, objects = tmp_path / "captions.json", tmp_path / "objects.json"
    images = [{"id": 285, "file_name": "COCO_val2014_000000000285.jpg"}]
    captions.write_text(json.dumps({"images": images, "annotations": [{"image_id": 285, "caption": "A bear."}]}))
    objects.write_text(json.dumps({"COCO_val2014_000000000285.jpg": ["bear"]}))
    base = ImageQuestions("r", "x", (), {"name": "m"}, GEN)
    for name in ("COCO_val2014_000000000285.jpg", "val/COCO_val2014_000000000285.jpg", "285"):
        (found,) = joined([replace(base, image_id=name)], captions, None if name == "285" else objects, None)
        assert found.context.captions == ("A bear.",)
        assert found.context.objects == (None if name == "285" else ("bear",))
    with pytest.raises(DataError, match="fits none of the images"):
        joined([base], captions, None, None)
    instances = tmp_path / "instances.json"
    instances.write_text(
        json.dumps(
            {
                "images": images,
                "categories": [{"id": 1, "name": "bear"}],
                "annotations": [{"image_id": 285, "category_id": 1}],
            }
        )
    )
    (found,) = joined([replace(base, image_id="285")], None, instances, None)
    assert found.context.objects == ("bear",)


def test_answers_round_trip_and_refuse_doubles(tmp_path: Path) -> None:
    path = tmp_path / "a.answers.jsonl"
    answers = [Answer("q", "m", "img", "red"), Answer("q", "m", "cf", "", 1, "other", "f")]
    path.write_text("".join(answer.to_json() + "\n" for answer in answers))
    assert read_answers(path) == answers
    assert [answer.abstains for answer in answers] == [False, True]
    path.write_text((answers[0].to_json() + "\n") * 2)
    with pytest.raises(DataError, match="occurs twice"):
        read_answers(path)
