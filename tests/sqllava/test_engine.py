"""The engine against transformers' own `generate`, row by row."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
import tiny_sqllava as tiny
import torch
from asked import NEW, PROCESSOR, WORDS, answers, changed, ending_model, make_groups, opener, reference, said
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import LlavaConfig, LlavaForConditionalGeneration

from sqllava import Engine, Group, Request, ScoreRequest, load

MODEL = ending_model()


def assert_as_generate(model: Any, engine: Engine, groups: list[Group]) -> set[str]:
    """Every answer is that of a row of its own; gives the finish reasons."""
    found = answers(engine, groups)
    for group in groups:
        for request in group.requests:
            assert isinstance(request, Request)
            answer = found.pop((request.id, 0))
            tokens, logprobs, reason = reference(model, group, request)
            assert (answer.token_ids, answer.finish_reason, answer.error) == (tokens, reason, None)
            assert answer.text == PROCESSOR.tokenizer.decode(tokens, skip_special_tokens=True).strip()
            assert answer.logprobs == pytest.approx(logprobs, abs=1e-3)
    assert not found
    return {reference(model, group, request)[2] for group in groups for request in group.requests}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("projector", ["cluster", "mlp2x_gelu"])
def test_every_answer_is_that_of_generate(seed: int, projector: str) -> None:
    model = ending_model(seed, projector_type=projector)
    engine = Engine(model, PROCESSOR, batch_tokens=1500)
    assert engine.packs
    assert assert_as_generate(model, engine, make_groups(engine, seed)) == {"stop", "length"}


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=4), st.integers(0, 99),
    st.sampled_from([1, 200, 900, 100_000]), st.integers(1, 6),
)  # fmt: skip
@settings(max_examples=3, deadline=None)
def test_any_groups_and_any_budget(sizes: list[int], seed: int, budget: int, new: int) -> None:
    engine = Engine(MODEL, PROCESSOR, batch_tokens=budget)
    assert_as_generate(MODEL, engine, make_groups(engine, seed, sizes, new))


def test_a_trained_model_says_the_same() -> None:
    """The packaged checkpoint, on pictures and questions like those that it knows."""
    model, processor = load("mini", device="cpu")
    engine = Engine(model, processor)
    texts = ["what colour is the star?", "how many objects are there?", "is there a red circle?", "describe the image."]
    groups = [
        Group(
            tuple(Request(f"{n}/{i}", engine.prompt(text, image=True), 30) for i, text in enumerate(texts)), opener(n)
        )
        for n in range(4)
    ]
    found = answers(engine, groups)
    for group in groups:
        for request in group.requests:
            assert isinstance(request, Request)
            assert group.image is not None
            row = processor(request.prompt, group.image())
            out = model.generate(**row, max_new_tokens=30, do_sample=False)[0, row["input_ids"].shape[1] :]
            assert found[request.id, 0].token_ids == tuple(out.tolist())


def test_transformers_own_llava_is_packed_as_well() -> None:
    config = tiny.config()
    torch.manual_seed(5)
    theirs = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=config.vision_config, text_config=config.text_config, image_token_index=4, image_seq_length=9,
            vision_feature_layer=-2,
        )
    ).eval()  # fmt: skip
    engine = Engine(theirs, PROCESSOR, template="v1")
    assert engine.packs
    assert_as_generate(theirs, engine, make_groups(engine, 2))


@given(st.permutations(range(7)), st.sampled_from([1, 300, 700, 5000]), st.sampled_from([0.0, 1.3]), st.booleans())
@settings(max_examples=12, deadline=None)
def test_answers_do_not_depend_on_what_is_computed_together(
    order: list[int], budget: int, temperature: float, apart: bool
) -> None:
    engine = Engine(MODEL, PROCESSOR)
    sampling = replace(Request("", "").sampling, temperature=temperature)
    groups = changed(make_groups(engine, 3), sampling=sampling)
    expected = answers(engine, groups)
    again = [groups[i] for i in order]
    if apart:  # every request in a group of its own
        again = [replace(group, requests=(request,)) for group in again for request in group.requests]
    found = answers(Engine(MODEL, PROCESSOR, batch_tokens=budget), again)
    assert said(found) == said(expected)
    for key, answer in expected.items():
        assert found[key].logprob == pytest.approx(answer.logprob, abs=1e-3)


def test_an_engine_can_be_asked_again() -> None:
    engine = Engine(MODEL, PROCESSOR)
    groups = make_groups(engine, 4)
    assert said(answers(engine, groups)) == said(answers(engine, groups))


def test_requests_of_one_group_have_their_own_settings() -> None:
    engine = Engine(MODEL, PROCESSOR)
    (group,) = make_groups(engine, 1, [6])
    free = answers(engine, [group])
    mixed = tuple(
        replace(request, max_new_tokens=i + 1, samples=1 + i % 2)
        for i, request in enumerate(request for request in group.requests if isinstance(request, Request))
    )
    found = answers(engine, [replace(group, requests=mixed)])
    assert len(found) == 9
    for (key, _), answer in found.items():
        limit = next(request.max_new_tokens for request in mixed if request.id == key)
        assert answer.token_ids == free[key, 0].token_ids[:limit]


def test_samples_share_a_prompt_and_differ() -> None:
    engine = Engine(MODEL, PROCESSOR)
    (group,) = make_groups(engine, 0, [2])
    sampled = changed([group], samples=12, sampling=replace(Request("", "").sampling, temperature=1.5, seed=3))
    once = answers(engine, sampled)
    assert len(once) == 24
    assert len({answer.token_ids for answer in once.values()}) > 12
    assert said(answers(Engine(MODEL, PROCESSOR, batch_tokens=150), sampled)) == said(once)
    fewer = answers(engine, changed(sampled, samples=5))
    assert said(fewer) == {key: value for key, value in said(once).items() if key[1] < 5}
    other = changed([group], samples=12, sampling=replace(Request("", "").sampling, temperature=1.5, seed=4))
    assert said(answers(engine, other)) != said(once)


@pytest.mark.parametrize("packed", [True, False])
def test_prompts_that_cannot_be_asked_are_errors(packed: bool) -> None:
    engine = Engine(MODEL, PROCESSOR, packed=packed)
    requests = (
        Request("long", engine.prompt("red " * 2000, image=False), samples=2),
        Request("sly", engine.prompt("what is it", image=True)),
        Request("fine", engine.prompt("red", image=False)),
    )
    found = answers(engine, [Group(requests)])
    for sample in (0, 1):
        assert "does not fit the context of 1024" in (found["long", sample].error or "")
    assert "more <image> than the 0" in (found["sly", 0].error or "")
    assert found["fine", 0].error is None


def test_generation_ends_with_the_context() -> None:
    model = tiny.model()
    engine = Engine(model, PROCESSOR)
    prompt = engine.prompt("red", image=False)
    model.config.text_config.max_position_embeddings = len(PROCESSOR.tokenize([prompt])[0]) + 3
    engine.end_id = None
    (answer,) = engine.generate([Group((Request("a", prompt, 50),))])
    assert (answer.finish_reason, answer.tokens) == ("length", 3)


def test_stop_texts_end_an_answer_and_are_cut_off() -> None:
    engine = Engine(MODEL, PROCESSOR)
    groups = make_groups(engine, 6)
    free = answers(engine, groups)
    key, answer = next((k, a) for k, a in free.items() if len(a.text) > 6 and "�" not in a.text[:5])
    mark = answer.text[2:4]
    stopped = answers(engine, changed(groups, stop=(mark,)))
    assert stopped[key].text == answer.text[: answer.text.index(mark)].strip()
    assert stopped[key].finish_reason == "stop"
    assert stopped[key].token_ids == answer.token_ids[: stopped[key].tokens]
    for other, unstopped in free.items():
        if mark not in unstopped.text:
            assert stopped[other].text == unstopped.text


def test_a_blind_model_never_opens_an_image() -> None:
    def forbidden() -> Image.Image:
        raise AssertionError("a blind model looked")

    model = ending_model(sees_images=False)
    engine = Engine(model, PROCESSOR)
    request = Request("a", engine.prompt("is it red", image=True), NEW)
    group = Group((request,), forbidden)
    (answer,) = engine.generate([group])
    assert answer.token_ids == reference(model, group, request)[0]


def test_the_template_is_the_checkpoints_unless_named() -> None:
    model = ending_model(conversation_template="v1_sq")
    assert Engine(model, PROCESSOR).prompt("red", image=True).count("virtual user") == 2
    assert "virtual user" not in Engine(model, PROCESSOR, template="v1").prompt("red", image=True)


@pytest.mark.parametrize("packed", [True, False])
def test_scores_are_the_log_likelihoods_of_the_continuations(packed: bool) -> None:
    engine = Engine(MODEL, PROCESSOR, packed=packed, batch_tokens=400)
    rng = random.Random(0)
    options = (" yes", " no", " a red circle", "", " ".join(rng.choices(WORDS, k=9)))
    groups = [
        Group(tuple(ScoreRequest(f"{n}/{i}", engine.prompt(" ".join(rng.choices(WORDS, k=5)), image=True), options)
                    for i in range(4)), opener(n))
        for n in range(3)
    ]  # fmt: skip
    found = {(one.id, one.continuation): one for one in engine.score(groups)}
    assert len(found) == 3 * 4 * len(options)
    for group in groups:
        for request in group.requests:
            assert group.image is not None
            start = len(PROCESSOR.tokenize([request.prompt])[0])
            best = []
            for number, option in enumerate(options):
                row = PROCESSOR(request.prompt + option, group.image())
                with torch.inference_mode():
                    logprobs = MODEL(**row).logits[0].log_softmax(-1)
                ids = row["input_ids"][0, start:]
                expected = [logprobs[start + i - 1, token].item() for i, token in enumerate(ids)]
                one = found[request.id, number]
                assert one.logprobs == pytest.approx(expected, abs=1e-3)
                assert one.logprob == pytest.approx(sum(expected), abs=1e-3)
                assert one.greedy == all(logprobs[start + i - 1].argmax() == token for i, token in enumerate(ids))
                best.append(one.greedy)
            assert best[3]  # nothing is always what greedy decoding would have said first
    assert (engine.stats.saved_tokens > 0) == packed


def test_in_half_precision_it_is_as_exact_as_single_rows() -> None:
    """In bfloat16 rounding decides close calls, and wrongly no more often here than in rows of their own."""
    exact_model, model = ending_model(), ending_model().to(torch.bfloat16)
    engine = Engine(model, PROCESSOR)
    groups = make_groups(engine, 9, [20] * 9, new=3)
    packed, exact = answers(engine, groups), answers(Engine(exact_model, PROCESSOR), groups)
    alone = {(r.id, 0): reference(model, g, r)[0] for g in groups for r in g.requests if isinstance(r, Request)}
    right = [sum(tokens == exact[key].token_ids for key, tokens in found.items()) / len(exact) for found in (
        alone, {key: answer.token_ids for key, answer in packed.items()})]  # fmt: skip
    assert right[1] >= right[0] - 0.03
    assert sum(packed[key].token_ids == tokens for key, tokens in alone.items()) > 0.9 * len(alone)


def test_a_model_that_cannot_be_packed_is_asked_in_rows_and_says_so() -> None:
    model = ending_model()
    for layer in model.model.language_model.layers:  # attends as before, and tells that it would not always
        inner = layer.self_attn.forward
        layer.self_attn.forward = lambda *args, inner=inner, **kwargs: inner(
            *args, **{**kwargs, "sliding_window": 2048}
        )
    engine = Engine(model, PROCESSOR)
    assert not engine.packs
    assert "sliding window" in engine.stats.notes[0]
    assert "row of its own" in engine.stats.notes[-1]
    assert_as_generate(model, engine, make_groups(engine, 0))


def test_the_books_are_kept() -> None:
    engine = Engine(MODEL, PROCESSOR)
    groups = make_groups(engine, 4)
    found = answers(engine, groups)
    stats = engine.stats
    assert stats.requests == len(found)
    assert stats.generated_tokens == sum(answer.tokens for answer in found.values())
    assert stats.prompt_tokens == sum(
        len(PROCESSOR.tokenize([request.prompt])[0]) for group in groups for request in group.requests
    )
    assert 0 < stats.prefilled_tokens < stats.prompt_tokens
    assert stats.saved_tokens == stats.prompt_tokens - stats.prefilled_tokens
    assert stats.images == sum(group.image is not None for group in groups)
    assert 0 < stats.model_seconds <= stats.seconds
    assert 0 < stats.busy <= 1


@pytest.mark.parametrize("bad", [{"batch_tokens": 0}, {"template": "v9"}])
def test_impossible_settings_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"batch_tokens|v9"):
        Engine(MODEL, PROCESSOR, **bad)


@pytest.mark.parametrize("bad", [{"max_new_tokens": 0}, {"samples": 0}])
def test_impossible_requests_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Request("a", "b", **bad)
