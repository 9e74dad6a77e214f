"""The engine within its bounds: tokens held, images opened, memory that runs out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from asked import PROCESSOR, answers, ending_model, make_groups, opener, said
from PIL import Image

from sqllava import Engine, Group, Request, ScoreRequest

MODEL = ending_model()


def test_hundreds_of_questions_about_one_image_stay_within_the_budget() -> None:
    budget = 600
    engine = Engine(MODEL, PROCESSOR, batch_tokens=budget)
    (group,) = make_groups(engine, 1, [300])
    passes: list[int] = []
    layer = MODEL.model.language_model.layers[0]
    handle = layer.register_forward_pre_hook(lambda _, args: passes.append(args[0].shape[1]))
    try:
        found = answers(engine, [group])
    finally:
        handle.remove()
    assert len(found) == 300
    assert max(passes) <= budget
    assert len(passes) > 10
    image = PROCESSOR.tokenize([group.requests[0].prompt.split("<image>")[0] + "<image>\n"])[0]
    suffixes = sum(len(PROCESSOR.tokenize([request.prompt])[0]) - len(image) for request in group.requests)
    assert engine.stats.prefilled_tokens == len(image) + suffixes  # the prefix once, each question once
    rows = Engine(MODEL, PROCESSOR, packed=False)
    assert said(answers(rows, [group])) == said(found)
    assert rows.stats.prefilled_tokens == rows.stats.prompt_tokens == engine.stats.prompt_tokens


def test_the_dearest_groups_come_first() -> None:
    engine = Engine(MODEL, PROCESSOR, batch_tokens=500)
    groups = make_groups(engine, 2, [1, 2, 9, 4, 3, 14], new=1)
    order = list(dict.fromkeys(answer.id.split("/")[0] for answer in engine.generate(groups)))
    sizes = [len(groups[int(number)].requests) for number in order]
    assert sizes[0] == 14
    assert sizes[-1] == 1


def test_what_all_groups_share_is_computed_once() -> None:
    engine = Engine(MODEL, PROCESSOR)
    groups = [Group((Request(str(n), engine.prompt("is it red", image=True), 1),), opener(n)) for n in range(5)]
    answers(engine, groups)
    system, rest = (len(PROCESSOR.tokenize([part])[0]) for part in groups[0].requests[0].prompt.split("<image>"))
    assert engine.stats.prefilled_tokens == system + 5 * (9 + rest - 1)  # <s> stands before each piece


def test_an_image_is_opened_and_encoded_once() -> None:
    opened, encoded = [], []
    inner = MODEL.model.vision_tower.forward
    image = opener(1)()

    def open_it() -> Image.Image:
        opened.append(1)
        return image

    def watch(pixels: torch.Tensor, **kwargs: Any) -> Any:
        encoded.append(len(pixels))
        return inner(pixels, **kwargs)

    engine = Engine(MODEL, PROCESSOR)
    group = Group(
        tuple(Request(str(i), engine.prompt("is it red", image=True), 3) for i in range(20)), open_it, key="image 1"
    )
    MODEL.model.vision_tower.forward = watch
    try:
        found = answers(engine, [group, replace(group, requests=(Request("x", group.requests[0].prompt, 2),))])
        again = answers(engine, [group])
    finally:
        del MODEL.model.vision_tower.forward
    assert len(found) == 21
    assert len({answer.text for (key, _), answer in found.items() if key != "x"}) == 1
    assert said(again).items() <= said(found).items()
    assert (len(opened), encoded, engine.stats.images) == (1, [1], 1)


def test_features_beyond_their_memory_are_computed_again() -> None:
    engine = Engine(MODEL, PROCESSOR, feature_memory=0)
    (group,) = make_groups(engine, 1, [2])
    group = replace(group, key="image")
    assert said(answers(engine, [group])) == said(answers(engine, [group]))
    assert engine.stats.images == 2


def test_an_image_that_cannot_be_opened_costs_its_own_questions_only() -> None:
    def broken() -> Image.Image:
        raise OSError("image file is truncated")

    engine = Engine(MODEL, PROCESSOR)
    groups = make_groups(engine, 5)
    sound = said(answers(engine, groups))
    bad = Group(tuple(Request(key, engine.prompt("is it red", image=True)) for key in ("x", "y")), broken)
    for workers in (0, 2):
        found = answers(Engine(MODEL, PROCESSOR, workers=workers), [*groups[:3], bad, *groups[3:]])
        for key in ("x", "y"):
            answer = found.pop((key, 0))
            assert answer.finish_reason == "error"
            assert "truncated" in (answer.error or "")
            assert (answer.text, answer.tokens, answer.logprob) == ("", 0, None)
        assert said(found) == sound


class Scarce:
    """Memory for so many tokens in one pass through a layer."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def __call__(self, _: Any, args: tuple[torch.Tensor, ...]) -> None:
        if args[0].shape[0] * args[0].shape[1] > self.tokens:
            raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("tokens", [160, 250, 400])
def test_out_of_memory_makes_batches_smaller_and_loses_nothing(packed: bool, tokens: int) -> None:
    engine = Engine(MODEL, PROCESSOR, packed=packed)
    groups = [*make_groups(engine, 7), *make_groups(engine, 0, [40])[:1]]
    groups[-1] = replace(groups[-1], requests=tuple(replace(r, id=f"large/{r.id}") for r in groups[-1].requests))
    scores = Group((ScoreRequest("s", engine.prompt("is it red", image=False), (" yes", " no")),))
    expected = said(answers(engine, groups))
    scored = sorted(one.logprob or 0.0 for one in engine.score([scores]))
    handle = MODEL.model.language_model.layers[0].register_forward_pre_hook(Scarce(tokens))
    try:
        found = said(answers(engine, groups))
        assert sorted(one.logprob or 0.0 for one in engine.score([scores])) == pytest.approx(scored, abs=1e-3)
    finally:
        handle.remove()
    assert found == expected
    assert engine.stats.splits > 0
    assert any("out of memory; going on with" in note for note in engine.stats.notes)


@pytest.mark.parametrize("packed", [True, False])
def test_what_does_not_fit_alone_is_an_error_and_the_rest_goes_on(packed: bool) -> None:
    engine = Engine(MODEL, PROCESSOR, packed=packed)
    short, long = (
        Request(key, engine.prompt(text, image=False), 3) for key, text in (("a", "red"), ("b", "red " * 300))
    )
    handle = MODEL.model.language_model.layers[0].register_forward_pre_hook(Scarce(250))
    try:
        found = answers(engine, [Group((short,)), Group((long,))])
    finally:
        handle.remove()
    assert found["a", 0].error is None
    assert found["b", 0].error == "out of memory, though computed alone"
