"""Self-questioning: the prompts that are really sent, and seeded sampling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import tiny_sqllava as tiny
import torch
from PIL import Image

from sqllava import SqLlavaError, ask
from sqllava.conversation import TEMPLATES
from sqllava.engine import Completion, Engine, Group, Request

PROCESSOR = tiny.processor()
IMAGE = Image.effect_noise((40, 30), 80).convert("RGB")
SYSTEM = TEMPLATES["v1_sq"].system


@pytest.fixture(scope="module")
def model() -> Any:
    model = tiny.model(3)
    with torch.no_grad():  # so that it stops in time to fit its context
        model.lm_head.weight[PROCESSOR.tokenizer.eos_token_id] *= 2.5
    return model


@pytest.fixture
def prompts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All prompts that reach the engine, once for each sample."""
    sent: list[str] = []
    inner = Engine.generate

    def watch(self: Engine, groups: list[Group]) -> Iterator[Completion]:
        for group in groups:
            for request in group.requests:
                assert isinstance(request, Request)
                sent.extend(["<s>" + request.prompt] * request.samples)
        return inner(self, groups)

    monkeypatch.setattr(Engine, "generate", watch)
    return sent


def test_after_a_description(model: Any, prompts: list[str]) -> None:
    asked = ask(model, PROCESSOR, IMAGE, n=3)
    assert len(asked) == 3
    opening = f"<s>{SYSTEM}USER: <image>\nCan you describe the image in detail? ASSISTANT:"
    assert prompts[0] == opening
    described = prompts[1]
    assert described.startswith(opening + " ")
    assert described.endswith("</s>VUSER:")
    assert prompts[1:4] == [described] * 3
    wanted = sorted(f"{described} {one.question}</s> ASSISTANT:" for one in asked)
    assert sorted(prompts[4:]) == wanted


def test_with_nothing_but_the_image(model: Any, prompts: list[str]) -> None:
    asked = ask(model, PROCESSOR, IMAGE, n=2, preface="none")
    opening = f"<s>{SYSTEM}VUSER: <image>\n"
    assert prompts[:2] == [opening] * 2
    assert sorted(prompts[2:]) == sorted(f"{opening}{one.question}</s> ASSISTANT:" for one in asked)


def test_the_seed_decides(model: Any) -> None:
    once = ask(model, PROCESSOR, IMAGE, n=4, preface="none", seed=1)
    assert once == ask(model, PROCESSOR, IMAGE, n=4, preface="none", seed=1)
    fewer = ask(model, PROCESSOR, IMAGE, n=2, preface="none", seed=1)
    assert [one.question for one in once[:2]] == [one.question for one in fewer]
    assert once != ask(model, PROCESSOR, IMAGE, n=4, preface="none", seed=2)
    assert len({one.question for one in once}) > 1


def test_greedy_questions_are_all_the_same(model: Any) -> None:
    asked = ask(model, PROCESSOR, IMAGE, n=3, preface="none", temperature=0)
    assert len(set(asked)) == 1
    assert asked[0].logprob < 0


@pytest.mark.parametrize("bad", [{"preface": "sing"}, {"top_p": 0.0}, {"temperature": -1.0}])
def test_impossible_settings_are_refused(model: Any, bad: dict[str, Any]) -> None:
    with pytest.raises(SqLlavaError, match=r"preface|sampling needs"):
        ask(model, PROCESSOR, IMAGE, **bad)
