"""The model as lmms-eval calls it: its own requests, through the packaged checkpoint."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lmms_tables as tables
import numpy as np
import pytest
from PIL import Image

from sqeval.task import NOTHING
from sqeval_tasks.coco_caption import CocoCaption
from sqllava.engine import Group, Request

pytestmark = pytest.mark.skipif(find_spec("lmms_eval") is None, reason="lmms-eval is not installed; `make lmms`")

META = {"task": "toy", "doc_id": 0, "repeats": 1}
SHORT = {"max_new_tokens": 16, "temperature": 0, "until": ["\n\n"]}


@pytest.fixture
def adapter() -> Any:
    from sqllava.lmms_model import Adapter

    return Adapter(pretrained="mini", device="cpu", batch_size=1, max_batch_size=64)


@pytest.fixture(scope="module")
def docs() -> list[dict[str, Any]]:
    """Questions about five pictures, in turn; every document has an object of its own for its picture."""
    found = tables.questions(5, 3)
    found = [found[start + row] for row in range(3) for start in range(0, 15, 3)]
    return [{"question": sample.question, "image": sample.image.open()} for sample in found if sample.image]


def show(doc: dict[str, Any]) -> list[Image.Image]:
    return [doc["image"]]


def requests(docs: list[dict[str, Any]], adapter: Any, how: dict[str, Any] = SHORT, visual: Any = show) -> list[Any]:
    from lmms_eval.api.instance import Instance

    adapter.task_dict = {"toy": {"test": docs}}
    return [
        Instance("generate_until", (doc["question"], dict(how), visual, number, "toy", "test"), 0, META)
        for number, doc in enumerate(docs)
    ]


def test_answers_come_in_order_and_each_picture_is_encoded_once(adapter: Any, docs: list[dict[str, Any]]) -> None:
    answers = adapter.generate_until(requests(docs, adapter))
    assert adapter.engine.stats.images == 5
    for doc, answer in zip(docs, answers, strict=True):
        prompt = adapter.engine.prompt(doc["question"], image=True)
        (alone,) = adapter.engine.generate([Group((Request("0", prompt, 16),), lambda doc=doc: doc["image"])])
        assert answer == alone.text
    assert len(set(answers)) > 1
    assert adapter.generate_until(requests(docs[::-1], adapter)) == answers[::-1]


def test_the_model_stays_when_lmms_eval_cleans_up(adapter: Any, docs: list[dict[str, Any]]) -> None:
    before = adapter.generate_until(requests(docs, adapter))
    adapter.clean()
    assert adapter.generate_until(requests(docs, adapter)) == before


def test_length_and_stop_texts_are_honoured(adapter: Any, docs: list[dict[str, Any]]) -> None:
    question = [{**docs[0], "question": CocoCaption().prompt(NOTHING)}]
    (whole,) = adapter.generate_until(requests(question, adapter))
    assert len(whole) > 4
    letter = whole[3]
    (cut,) = adapter.generate_until(requests(question, adapter, {**SHORT, "until": letter}))
    assert cut == whole[: whole.index(letter)].strip()
    (one,) = adapter.generate_until(requests(question, adapter, {**SHORT, "max_new_tokens": 1}))
    assert 0 < len(one) < len(whole)


def test_temperature_is_honoured_whatever_do_sample_says(adapter: Any, docs: list[dict[str, Any]]) -> None:
    question = [{**docs[0], "question": "Describe the image."}] * 6
    drawn = adapter.generate_until(requests(question, adapter, {**SHORT, "temperature": 1.5, "do_sample": False}))
    assert len(set(drawn)) > 1
    assert adapter.generate_until(requests(question, adapter, {**SHORT, "temperature": 1.5})) == drawn
    assert len(set(adapter.generate_until(requests(question, adapter, {**SHORT, "do_sample": True})))) == 1
    with pytest.raises(ValueError, match="num_beams=3"):
        adapter.generate_until(requests(question, adapter, {**SHORT, "num_beams": 3}))


def test_the_choice_that_lmms_eval_takes_is_the_likeliest(adapter: Any, docs: list[dict[str, Any]]) -> None:
    """Its multiple choice takes the smallest value."""
    from lmms_eval.api.instance import Instance

    said = adapter.generate_until(requests(docs, adapter))
    choices = (" yes", " no")
    assert set(said) <= {choice.strip() for choice in choices}
    asked = [
        Instance("loglikelihood", (doc["question"], choice, show, number, "toy", "test"), 0, META)
        for number, doc in enumerate(docs)
        for choice in choices
    ]
    found = adapter.loglikelihood(asked)
    for number, answer in enumerate(said):
        pair = found[2 * number : 2 * number + 2]
        assert choices[int(np.argmin([value for value, _ in pair]))].strip() == answer
        assert all(value > 0 for value, _ in pair)
        assert [choice.strip() == answer for choice in choices] == [greedy for _, greedy in pair]


def test_lmms_eval_takes_the_pairs_as_pairs(adapter: Any, docs: list[dict[str, Any]]) -> None:
    """Release 0.7.3 makes text of a plain pair."""
    from lmms_eval.api.instance import Instance, unwrap_generation_output

    adapter.task_dict = {"toy": {"test": docs}}
    arguments = (docs[0]["question"], " yes", show, 0, "toy", "test")
    (found,) = adapter.loglikelihood([Instance("loglikelihood", arguments, 0, META)])
    kept, counts = unwrap_generation_output(found)
    assert counts is None
    assert kept == found == (found[0], found[1])
    assert isinstance(kept, tuple)


def test_a_plain_loglikelihood_is_one(adapter: Any, docs: list[dict[str, Any]]) -> None:
    from lmms_eval.api.instance import Instance

    adapter.task_dict = {"toy": {"test": docs}}
    arguments = (docs[0]["question"], lambda doc: " yes", show, 0, "toy", "test")
    choice = (docs[0]["question"], " yes", show, 0, "toy", "test")
    (plain,), (loss,) = (
        adapter.loglikelihood([Instance("loglikelihood", one, 0, META)]) for one in (arguments, choice)
    )
    assert plain[0] < 0
    assert plain[0] == pytest.approx(-loss[0])
    with pytest.raises(ValueError, match="acc_mutual_info"):
        adapter.loglikelihood([Instance("loglikelihood", ("", "yes"), 0, META)])


def test_requests_without_an_answer_are_named_once_all_are_done(
    adapter: Any, docs: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    from sqllava.lmms_model import RequestsFailedError

    def visual(doc: dict[str, Any]) -> list[Any]:
        return [doc["image"]] * (2 if doc["question"] == docs[3]["question"] else 1)

    two = [number for number, doc in enumerate(docs) if doc["question"] == docs[3]["question"]]
    with pytest.raises(RequestsFailedError, match=rf"{len(two)} of 15 requests failed: toy/{two[0]}: .*one image"):
        adapter.generate_until(requests(docs, adapter, visual=visual))
    adapter.on_error = "empty"
    with caplog.at_level(logging.ERROR):
        answers = adapter.generate_until(requests(docs, adapter, visual=visual))
    assert [number for number, answer in enumerate(answers) if not answer] == two
    assert caplog.text.count("no answer") == len(two)


def test_questions_without_a_picture_are_asked_without_one(adapter: Any) -> None:
    docs = [{"question": "Is a square round?"}]
    (answer,) = adapter.generate_until(requests(docs, adapter, visual=None))
    prompt = adapter.engine.prompt(docs[0]["question"], image=False)
    (alone,) = adapter.engine.generate([Group((Request("0", prompt, 16),))])
    assert answer == alone.text
    assert adapter.engine.stats.images == 0


@pytest.mark.parametrize("arguments", [{"conv_template": "v1"}, {"on_error": "hide"}, {"image_aspect_ratio": "anyres"}])
def test_arguments_that_mean_nothing_here_are_refused(arguments: dict[str, str], tmp_path: Path) -> None:
    from sqllava.lmms_model import Adapter

    with pytest.raises(ValueError, match=next(iter(arguments))):
        Adapter(pretrained="mini", **arguments)


def test_rounds_are_refused(adapter: Any) -> None:
    with pytest.raises(NotImplementedError, match="rounds"):
        adapter.generate_until_multi_round([])
