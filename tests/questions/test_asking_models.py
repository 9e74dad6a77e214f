"""Who asks: the virtual user of a SQ-LLaVA, any other model by an instruction, and a model that asks itself first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sqeval.config import resolve
from sqeval.data.images import ImageRef
from sqeval.data.mini import ensure_mini
from sqeval.model import Completion, Group
from sqeval.models.loading import load_model
from sqeval.models.sqllava import SqLlavaModel
from sqeval.questions.asking import ASK, How, Instructed, asker
from sqllava.conversation import TEMPLATES, Turn
from sqllava.engine import Engine
from sqllava.engine import Group as EngineGroup


@pytest.fixture(scope="module")
def mini() -> SqLlavaModel:
    model = load_model(resolve({"ckpt": "mini", "tasks": "ask", "data": "-"}))
    assert isinstance(model, SqLlavaModel)
    return model


@pytest.fixture(scope="module")
def images() -> list[ImageRef]:
    folder = ensure_mini() / "coco" / "val2014"
    return [ImageRef(path.name, path) for path in sorted(folder.iterdir())[:3]]


def test_a_model_with_a_virtual_user_asks_by_its_own_protocol(mini: SqLlavaModel, images: list[ImageRef]) -> None:
    assert asker(mini) is mini
    gen = mini.asking(How(n=2))
    assert (gen["protocol"], gen["temperature"], gen["top_k"], gen["top_p"]) == ("vuser", 1.2, 300, 0.95)
    gen = mini.asking(How(n=2, preface="none", temperature=0.5))
    assert (gen["temperature"], gen["top_k"], gen["top_p"], gen["max_new_tokens"]) == (0.5, 50, 0.85, 200)
    alone = [next(iter(mini.ask([image], How(n=2)))) for image in images]
    for one, same in zip(alone, mini.ask(images, How(n=2)), strict=True):  # what is asked beside it changes nothing
        assert [q.text for q in one.questions] == [q.text for q in same.questions]
        assert [q.logprob for q in one.questions] == pytest.approx([q.logprob for q in same.questions], abs=1e-4)
        assert one.preface == same.preface


class Listening:
    """A model that says back what it was asked."""

    def __init__(self, inner: SqLlavaModel) -> None:
        self.identity, self.prompts = inner.identity, list[str]()

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        for group in groups:
            for request in group.requests:
                self.prompts.append(request.prompt)
                yield Completion(request.task, request.id, f"said {len(self.prompts)}?")


def test_any_model_is_told_to_ask(mini: SqLlavaModel, images: list[ImageRef]) -> None:
    model = Listening(mini)
    told = asker(model)
    assert isinstance(told, Instructed)
    assert told.asking(How())["instruction"] == ASK
    found = list(told.ask(images, How(n=2, answer=True)))
    assert model.prompts[:6] == [ASK] * 6
    assert [[q.text for q in one.questions] for one in found] == [
        ["said 1?", "said 2?"],
        ["said 3?", "said 4?"],
        ["said 5?", "said 6?"],
    ]
    assert model.prompts[6].startswith("said 1?\n")
    model = Listening(mini)
    list(Instructed(model).ask(images[:1], How(n=3, sequential=True)))
    assert "- said 1?\n- said 2?\n" in model.prompts[2]


def test_a_real_model_follows_the_instruction_and_a_broken_image_fails_alone(
    mini: SqLlavaModel, images: list[ImageRef], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    found = list(Instructed(mini).ask([images[0], ImageRef("broken.png", broken), images[1]], How(n=2)))
    assert [len(one.questions) for one in found] == [2, 0, 2]
    assert [one.error is None for one in found] == [True, False, True]
    own = list(mini.ask([images[0], ImageRef("broken.png", broken), images[1]], How(n=2)))
    assert [one.error is None for one in own] == [True, False, True]


def test_pairs_stand_before_the_benchmark_s_question(
    mini: SqLlavaModel, images: list[ImageRef], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    flags = {"ckpt": "mini", "tasks": "gqa", "data": "mini", "self_questions": 2}
    model = load_model(resolve(flags))
    assert isinstance(model, SqLlavaModel)
    assert model.identity.details["self_questions"] == "2"
    from sqeval.model import Request, Settings

    sent: list[str] = []
    inner = Engine.generate

    def watch(self: Engine, groups: Sequence[EngineGroup]) -> Iterator[object]:
        groups = list(groups)
        sent.extend(request.prompt for group in groups for request in group.requests)
        return inner(self, groups)

    monkeypatch.setattr(Engine, "generate", watch)
    request = Request("t", "1", "How many objects are there?", Settings(max_new_tokens=4))
    (answer,) = model.generate([Group(images[0], (request,))])
    (asked,) = mini.ask(images[:1], How(n=2, answer=True))
    pairs = [turn for q in asked.questions for turn in (Turn("user", q.text), Turn("assistant", q.answer or ""))]
    assert TEMPLATES["v1"].prompt([*pairs, Turn("user", request.prompt)], image=True) in sent
    assert answer.error is None
