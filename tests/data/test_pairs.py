"""Files of predictions read at once give what reading them a record at a time gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqeval.data.join import STRICT, Allow
from sqeval.data.pairs import read_pairs
from sqeval.data.predictions import _read_each, read_by_id, read_records
from sqeval.errors import DataError
from sqeval.model import Verbatim

TEXTS = (("question_id", "text"),)
FINAL = (("question_id", "answer"),)
IDS = ["1", "2", "3"]

value = st.sampled_from([1, 2, 3, "1", "2", "3", 4, "", None, True, 1.0, 2.5, "yes", "\ud800", [], {"text": "x"}])
record = st.one_of(
    st.builds(lambda key, text: {"question_id": key, "text": text}, st.sampled_from([1, 2, 3, "1", "2"]), st.text()),
    st.builds(lambda key, text: {"question_id": key, "answer": text}, st.sampled_from([1, 2, 3]), st.text()),
    st.dictionaries(st.sampled_from(["question_id", "text", "answer", "more"]), value),
    value,
)


def outcome(read: Any) -> Any:
    """What a reader gives, with what is final, or the message of its refusal."""
    try:
        return {key: (str(text), isinstance(text, Verbatim)) for key, text in read().items()}
    except DataError as error:
        return str(error)


@given(
    st.lists(record, max_size=4),
    st.booleans(),
    st.builds(Allow, missing=st.booleans(), extra=st.booleans(), duplicates=st.booleans()),
)
def test_both_ways_have_the_same_outcome(
    tmp_path_factory: pytest.TempPathFactory, records: list[Any], lines: bool, allow: Allow
) -> None:
    path = tmp_path_factory.mktemp("pairs") / "predictions"
    path.write_text("\n".join(map(json.dumps, records)) if lines else json.dumps(records, indent=1))
    quick = outcome(lambda: read_by_id(path, TEXTS, IDS, final=FINAL, allow=allow))
    slow = outcome(lambda: _read_each(path, TEXTS, IDS, FINAL, None, read_records(path), allow))
    assert quick == slow


@pytest.mark.parametrize("content", ['[{"question_id": 1, "text": "a"}]', '\n{"text": "a", "question_id": "1"}\n\n'])
def test_usual_files_are_read_at_once(tmp_path: Path, content: str) -> None:
    path = tmp_path / "predictions"
    path.write_bytes(b"\xef\xbb\xbf" + content.encode())
    assert read_pairs(path, (*FINAL, *TEXTS)) == (TEXTS[0], ["1"], ["a"])
    assert read_by_id(path, TEXTS, ["1"], final=FINAL, allow=STRICT) == {"1": "a"}


@pytest.mark.parametrize("beside", ["text", "prediction", "response"])
@pytest.mark.parametrize("lines", [False, True])
def test_the_true_answer_is_not_taken_for_the_model_s(tmp_path: Path, beside: str, lines: bool) -> None:
    rows = [{"question_id": key, "answer": "yes", beside: "no"} for key in (1, 2, 3)]
    path = tmp_path / "predictions"
    path.write_text("\n".join(map(json.dumps, rows)) if lines else json.dumps(rows))
    with pytest.raises(
        DataError, match=rf"predictions:1: (\[0\]\.)?answer: stands beside {beside}: which is the model"
    ):
        read_by_id(path, TEXTS, IDS, final=FINAL)


@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_of_another_kind_is_valid_json(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "predictions"
    for value, found in (({"annotations": [], "info": {}}, 'the fields "annotations", "info"'), ({}, "no field")):
        path.write_text(json.dumps(value, indent=indent))
        with pytest.raises(DataError, match=f"predictions:1: expected an object with .*, found {found}"):
            read_by_id(path, TEXTS, IDS, final=FINAL)
    path.write_text(json.dumps({"doc_id": 0, "filtered_resps": "yes", "target": "no"}))
    with pytest.raises(DataError, match=r"predictions: is lmms-eval's log of samples: .* --task lmms:NAME"):
        read_by_id(path, TEXTS, IDS, final=FINAL)
    path.write_text('{"a": 1,\n"b": }')
    with pytest.raises(DataError, match="predictions:1: expected JSON: Expecting property name"):
        read_by_id(path, TEXTS, IDS, final=FINAL)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "PK\x03\x04",
        "question_id\ttext\n1\ta\n",
        '{"1": "a"}',
        '[{"question_id": 1, "text": "a"}, {"question_id": 1, "text": "b"}]',
        '[{"question_id": 1, "text": "a"}',
        "[" * 5000,
    ],
)
def test_what_else_there_is_has_to_be_read_with_care(tmp_path: Path, content: str) -> None:
    path = tmp_path / "predictions"
    path.write_text(content)
    assert read_pairs(path, (*FINAL, *TEXTS)) is None
