"""Submissions: every question of the split once, in the server's types."""

from __future__ import annotations

import json

import pytest

from sqeval.data.submission import answers_file
from sqeval.errors import UserError


def test_every_question_has_its_row_in_order() -> None:
    suffix, content = answers_file({"7": "b", "2": "é"}, "question_id", ["5"], number=True)
    assert suffix == ".json"
    assert json.loads(content) == [
        {"question_id": 7, "answer": "b"}, {"question_id": 2, "answer": "é"}, {"question_id": 5, "answer": ""},
    ]  # fmt: skip
    assert json.loads(answers_file({"a.jpg": "x"}, "image")[1]) == [{"image": "a.jpg", "answer": "x"}]


@pytest.mark.parametrize("unasked", [["8", "7"], ["7"], ["7", "7"]])
def test_what_the_server_would_refuse(unasked: list[str]) -> None:
    with pytest.raises(UserError, match="refuse the submission: 1 ids that occur twice: 7"):
        answers_file({"7": "a"}, "question_id", unasked)
