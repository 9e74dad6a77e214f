"""The engine against transformers' own `generate`, row by row."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny_sqllava as tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sqllava.conversation import TEMPLATES, Turn
from sqllava.engine import Answer, Engine, ImageQueries, Query

WORDS = ["is", "there", "a", "red", "blue", "circle", "square", "left", "of", "the", "small", "what", "colour", "how"]
PROCESSOR = tiny.processor()
NEW = 10


def ending_model(seed: int = 0, **overrides: Any) -> Any:
    """A random model that often says the end token, so that rows finish at different steps."""
    model = tiny.model(seed, **overrides)
    with torch.no_grad():
        model.lm_head.weight[PROCESSOR.tokenizer.eos_token_id] *= 2.5
    return model


MODEL = ending_model()


def opener(seed: int) -> Callable[[], Image.Image]:
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (20 + seed % 30, 40, 3), dtype=np.uint8))
    return lambda: image


def make_groups(seed: int, count: int = 7) -> list[ImageQueries]:
    rng = random.Random(seed)
    return [
        ImageQueries(
            opener(number) if rng.random() < 0.75 else None,
            tuple(
                Query(f"{number}/{place}", " ".join(rng.choices(WORDS, k=rng.randint(1, 25))))
                for place in range(rng.randint(1, 6))
            ),
        )
        for number in range(count)
    ]


def answers(engine: Engine, groups: list[ImageQueries], **settings: Any) -> dict[str, Answer]:
    found = list(engine.generate(groups, **{"max_new_tokens": NEW, **settings}))
    assert len({answer.id for answer in found}) == len(found)
    return {answer.id: answer for answer in found}


def reference(model: Any, group: ImageQueries, query: Query, template: str = "v1") -> tuple[str, int, str, float]:
    """Text, tokens, finish reason and log-probability by `generate` alone."""
    image = group.image() if group.image and model.config.sees_images else None
    row = PROCESSOR(TEMPLATES[template].prompt([Turn("user", query.prompt)], image=image is not None), image)
    out = model.generate(**row, max_new_tokens=NEW, do_sample=False, return_dict_in_generate=True, output_logits=True)
    tokens = out.sequences[0, row["input_ids"].shape[1] :].tolist()
    logprob = sum(step[0].log_softmax(-1)[token].item() for step, token in zip(out.logits, tokens, strict=True))
    ended = tokens[-1] == PROCESSOR.tokenizer.eos_token_id
    text = PROCESSOR.tokenizer.decode(tokens, skip_special_tokens=True).strip()
    return text, len(tokens), "stop" if ended else "length", logprob


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("projector", ["cluster", "mlp2x_gelu"])
def test_every_answer_is_that_of_generate(seed: int, projector: str) -> None:
    model = ending_model(seed, projector_type=projector)
    groups = make_groups(seed)
    found = answers(Engine(model, PROCESSOR, batch_tokens=1500), groups)
    reasons = set()
    for group in groups:
        for query in group.queries:
            answer = found.pop(query.id)
            text, tokens, reason, logprob = reference(model, group, query)
            assert (answer.text, answer.tokens, answer.finish_reason) == (text, tokens, reason)
            assert answer.logprob == pytest.approx(logprob, abs=1e-3)
            assert answer.error is None
            reasons.add(reason)
    assert not found
    assert reasons == {"stop", "length"}


@given(st.permutations(range(7)), st.sampled_from([1, 300, 700, 5000]), st.sampled_from([0.0, 1.3]))
@settings(max_examples=12, deadline=None)
def test_answers_do_not_depend_on_order_or_batches(order: list[int], budget: int, temperature: float) -> None:
    groups = make_groups(3)
    expected = answers(Engine(MODEL, PROCESSOR), groups, temperature=temperature)
    again = answers(Engine(MODEL, PROCESSOR, batch_tokens=budget), [groups[i] for i in order], temperature=temperature)
    assert again.keys() == expected.keys()
    for key, answer in expected.items():
        assert again[key].text == answer.text
        assert again[key].tokens == answer.tokens
        assert again[key].logprob == pytest.approx(answer.logprob, abs=1e-3)


def test_batches_keep_within_the_budget_longest_first() -> None:
    engine = Engine(MODEL, PROCESSOR, batch_tokens=700)
    seen: list[tuple[int, int]] = []
    inner = MODEL.model.language_model.forward

    def watch(*args: Any, **kwargs: Any) -> Any:
        shape = kwargs["inputs_embeds"].shape
        if shape[1] > 1:
            seen.append((shape[0], shape[1]))
        return inner(*args, **kwargs)

    MODEL.model.language_model.forward = watch
    try:
        answers(engine, make_groups(4))
    finally:
        del MODEL.model.language_model.forward
    assert len(seen) > 2
    assert all(rows == 1 or rows * (width + NEW) <= 700 for rows, width in seen)
    assert [width for _, width in seen] == sorted((width for _, width in seen), reverse=True)


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

    MODEL.model.vision_tower.forward = watch
    try:
        found = answers(
            Engine(MODEL, PROCESSOR), [ImageQueries(open_it, tuple(Query(str(i), "is it red") for i in range(20)))]
        )
    finally:
        del MODEL.model.vision_tower.forward
    assert len(found) == 20
    assert len({answer.text for answer in found.values()}) == 1
    assert (len(opened), encoded) == (1, [1])


def test_an_image_that_cannot_be_opened_costs_its_own_questions_only() -> None:
    def broken() -> Image.Image:
        raise OSError("image file is truncated")

    groups = make_groups(5)
    sound = answers(Engine(MODEL, PROCESSOR), groups)
    bad = ImageQueries(broken, (Query("x", "is it red"), Query("y", "is it blue")))
    found = answers(Engine(MODEL, PROCESSOR), [*groups[:3], bad, *groups[3:]])
    for key in ("x", "y"):
        answer = found.pop(key)
        assert answer.finish_reason == "error"
        assert "truncated" in (answer.error or "")
        assert (answer.text, answer.tokens, answer.logprob) == ("", 0, None)
    assert {k: a.text for k, a in found.items()} == {k: a.text for k, a in sound.items()}


def test_prompts_that_cannot_be_asked_are_errors() -> None:
    group = ImageQueries(None, (Query("long", "red " * 2000), Query("sly", "what is <image>"), Query("fine", "red")))
    found = answers(Engine(MODEL, PROCESSOR), [group])
    assert "does not fit the context of 1024" in (found["long"].error or "")
    assert "must not hold <image>" in (found["sly"].error or "")
    assert found["fine"].error is None


def test_generation_ends_with_the_context() -> None:
    model = tiny.model()
    with torch.no_grad():
        model.lm_head.weight[PROCESSOR.tokenizer.eos_token_id] = -10 * model.lm_head.weight.abs().max()
    prompt = TEMPLATES["v1"].prompt([Turn("user", "red")], image=False)
    model.config.text_config.max_position_embeddings = len(PROCESSOR.tokenize([prompt])[0]) + 3
    (answer,) = Engine(model, PROCESSOR).generate([ImageQueries(None, (Query("a", "red"),))], max_new_tokens=50)
    assert answer.finish_reason == "length" or answer.tokens <= 3
    assert answer.tokens <= 3


def test_stop_texts_end_an_answer_and_are_cut_off() -> None:
    groups = make_groups(6)
    free = answers(Engine(MODEL, PROCESSOR), groups)
    key, answer = next((k, a) for k, a in free.items() if len(a.text) > 6 and "\ufffd" not in a.text[:5])
    mark = answer.text[2:4]
    stopped = answers(Engine(MODEL, PROCESSOR), groups, stop=[mark])
    assert stopped[key].text == answer.text[: answer.text.index(mark)].strip()
    assert stopped[key].finish_reason == "stop"
    assert stopped[key].tokens < answer.tokens or answer.tokens == stopped[key].tokens
    for other, unstopped in free.items():
        if mark not in unstopped.text:
            assert stopped[other].text == unstopped.text


def test_a_blind_model_never_opens_an_image() -> None:
    def forbidden() -> Image.Image:
        raise AssertionError("a blind model looked")

    model = ending_model(sees_images=False)
    query = Query("a", "is it red")
    group = ImageQueries(forbidden, (query,))
    (answer,) = Engine(model, PROCESSOR).generate([group], max_new_tokens=NEW)
    assert (answer.text, answer.tokens) == reference(model, group, query)[:2]


def test_the_template_is_the_checkpoints_unless_named() -> None:
    model = ending_model(conversation_template="v1_sq")
    group = make_groups(8)[0]
    query = group.queries[0]
    own = answers(Engine(model, PROCESSOR), [group])
    named = answers(Engine(model, PROCESSOR, template="v1"), [group])
    assert own[query.id].text == reference(model, group, query, "v1_sq")[0]
    assert named[query.id].text == reference(model, group, query, "v1")[0]


def test_sampling_is_seeded_by_the_question() -> None:
    group = ImageQueries(None, tuple(Query(str(i), "is it red") for i in range(12)))
    once = answers(Engine(MODEL, PROCESSOR), [group], temperature=1.5)
    assert once == answers(Engine(MODEL, PROCESSOR), [group], temperature=1.5)
    assert len({answer.text for answer in once.values()}) > 6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_runs_and_stays_close(dtype: torch.dtype) -> None:
    groups = make_groups(9)
    exact = answers(Engine(MODEL, PROCESSOR), groups, max_new_tokens=1)
    half = answers(Engine(ending_model().to(dtype), PROCESSOR), groups, max_new_tokens=1)
    same = [half[key].text == answer.text for key, answer in exact.items()]
    assert sum(same) > 0.7 * len(same)
    assert all(answer.error is None for answer in half.values())


@pytest.mark.parametrize("bad", [{"batch_tokens": 0}, {"template": "v9"}])
def test_impossible_settings_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"batch_tokens|v9"):
        Engine(MODEL, PROCESSOR, **bad)
