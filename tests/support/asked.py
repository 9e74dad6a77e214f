"""Questions for the engine, and what transformers' own `generate` says to each."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tiny_sqllava as tiny
import torch
from PIL import Image

from sqllava import Completion, Engine, Group, Request

WORDS = ["is", "there", "a", "red", "blue", "circle", "square", "left", "of", "the", "small", "what", "colour", "how"]
PROCESSOR = tiny.processor()
NEW = 10


def ending_model(seed: int = 0, **overrides: Any) -> Any:
    """A random model that often says the end token, so that answers finish at different steps."""
    model = tiny.model(seed, **overrides)
    with torch.no_grad():
        model.lm_head.weight[PROCESSOR.tokenizer.eos_token_id] *= 2.5
    return model


def opener(seed: int) -> Callable[[], Image.Image]:
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (20 + seed % 30, 40, 3), dtype=np.uint8))
    return image.copy


def make_groups(engine: Engine, seed: int, sizes: Sequence[int] = (3, 1, 6, 2, 4, 1, 5), new: int = NEW) -> list[Group]:
    """Groups of so many questions, three quarters of them about an image."""
    rng = random.Random(seed)
    groups = []
    for number, size in enumerate(sizes):
        image = opener(number) if rng.random() < 0.75 else None
        texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 25))) for _ in range(size)]
        requests = [
            Request(f"{number}/{place}", engine.prompt(text, image=image is not None), new)
            for place, text in enumerate(texts)
        ]
        groups.append(Group(tuple(requests), image))
    return groups


def changed(groups: Iterable[Group], **settings: Any) -> list[Group]:
    """The groups with other settings of every request."""
    return [replace(g, requests=tuple(replace(r, **settings) for r in g.requests)) for g in groups]


def answers(engine: Engine, groups: Iterable[Group]) -> dict[tuple[str, int], Completion]:
    """Completions by id and sample, each exactly once."""
    found = list(engine.generate(groups))
    by_key = {(answer.id, answer.sample): answer for answer in found}
    assert len(by_key) == len(found)
    return by_key


def said(found: dict[tuple[str, int], Completion]) -> dict[tuple[str, int], tuple[Any, ...]]:
    """What must not depend on how it was computed."""
    return {key: (a.text, a.token_ids, a.finish_reason, a.error) for key, a in found.items()}


def reference(model: Any, group: Group, request: Request) -> tuple[tuple[int, ...], list[float], str]:
    """Tokens, their log-probabilities, and the finish reason by `generate` on that row alone."""
    image = group.image() if group.image is not None and "<image>" in request.prompt else None
    row = PROCESSOR(request.prompt, image).to(model.device, model.dtype)
    out = model.generate(
        **row, max_new_tokens=request.max_new_tokens, do_sample=False, return_dict_in_generate=True, output_logits=True
    )
    tokens = out.sequences[0, row["input_ids"].shape[1] :].tolist()
    logprobs = [step[0].float().log_softmax(-1)[token].item() for step, token in zip(out.logits, tokens, strict=True)]
    return tuple(tokens), logprobs, "stop" if tokens[-1] == PROCESSOR.tokenizer.eos_token_id else "length"
