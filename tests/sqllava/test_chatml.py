"""The ChatML templates, and that generation ends where a template says, whatever the tokenizer's end token."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import small_parts as small
import tiny_sqllava as tiny
import torch
from PIL import Image

from sqllava.asking import DESCRIBE, ask
from sqllava.conversation import TEMPLATES, Turn
from sqllava.engine import Engine, Group, Request
from sqllava.errors import TemplateError
from sqllava.images import SqLlavaImageProcessor
from sqllava.processing import SqLlavaProcessor

CHATML, CHATML_SQ = TEMPLATES["chatml"], TEMPLATES["chatml_sq"]
CHAT = [
    Turn("user", "What is on the bus?"),
    Turn("assistant", "An advert."),
    Turn("user", "Where is it?"),
    Turn("assistant", "On a street."),
]
SPECIAL = ("<|im_start|>", "<|im_end|>", "<image>")


def processor(bos: str | None = None) -> SqLlavaProcessor:
    tokenizer: Any = small.tokenizer(*SPECIAL)
    if bos is not None:
        tokenizer = small.tokenizer(*SPECIAL, "<other>")  # of its own: `small.tokenizer` keeps what it has made
        tokenizer.bos_token = bos
    return SqLlavaProcessor(SqLlavaImageProcessor(), tokenizer, image_seq_length=3)


def model(speaker: SqLlavaProcessor) -> Any:
    config = tiny.config(
        image_token_index=speaker.image_token_id, image_seq_length=9, conversation_template="chatml", num_prototypes=3
    )
    config.text_config.vocab_size = len(speaker.tokenizer)
    config.text_config.max_position_embeddings = 2048  # a random model rarely ends by itself, and its text is bytes
    torch.manual_seed(0)
    return tiny.SqLlavaForConditionalGeneration(config).eval()


def test_chatml() -> None:
    rendered = CHATML.render(CHAT, image=True)
    assert rendered.text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n<image>\nWhat is on the bus?<|im_end|>\n<|im_start|>assistant\nAn advert.<|im_end|>\n"
        "<|im_start|>user\nWhere is it?<|im_end|>\n<|im_start|>assistant\nOn a street.<|im_end|>\n"
    )
    assert [rendered.text[a:b] for a, b in rendered.spans] == ["An advert.<|im_end|>", "On a street.<|im_end|>"]
    assert CHATML.prompt(CHAT[:1], image=False) == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nWhat is on the bus?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_chatml_with_a_virtual_user() -> None:
    turns = [*CHAT[:2], Turn("vuser", "Where is it?"), CHAT[3]]
    rendered = CHATML_SQ.render(turns, image=True)
    system = TEMPLATES["v1_sq"].system.split("questions.")[1].strip()
    assert rendered.text.startswith(
        f"<|im_start|>system\nYou are a helpful assistant. {system}<|im_end|>\n<|im_start|>user\n<image>\nWhat"
    )
    assert [(role, rendered.text[a:b]) for (a, b), role in zip(rendered.spans, rendered.roles, strict=True)] == [
        ("assistant", "An advert.<|im_end|>"),
        ("vuser", "Where is it?<|im_end|>"),
        ("assistant", "On a street.<|im_end|>"),
    ]
    begun = CHATML_SQ.render(CHAT[:2], image=True).text
    assert CHATML_SQ.prompt_question(CHAT[:2], image=True) == begun + "<|im_start|>vuser\n"
    assert CHATML_SQ.prompt_question([], image=True) == CHATML_SQ.system + "<|im_start|>vuser\n<image>\n"
    assert rendered.text.startswith(CHATML_SQ.prompt(turns[:3], image=True))
    with pytest.raises(TemplateError, match="chatml has no virtual user; chatml_sq has"):
        CHATML.prompt_question([], image=True)


def test_supervised_tokens_end_with_the_end_token() -> None:
    speaker = processor()
    end = CHATML.end_id(speaker.tokenizer)
    ids, roles = speaker.encode(CHATML.render(CHAT, image=True))
    said = speaker.tokenizer.decode([token for token, role in zip(ids, roles, strict=True) if role])
    assert said == "An advert.<|im_end|>On a street.<|im_end|>"
    assert sum(token == end and role is not None for token, role in zip(ids, roles, strict=True)) == 2


def test_one_beginning_even_if_the_format_writes_it() -> None:
    """SmolLM2's beginning-of-sequence token is <|im_start|>, which ChatML writes itself."""
    text = CHATML.prompt(CHAT[:1], image=True)
    for speaker, begins in ((processor(), ["<s>", "<|im_start|>"]), (processor("<|im_start|>"), ["<|im_start|>", "s"])):
        (ids,) = speaker.tokenize([text])
        assert speaker.tokenizer.convert_ids_to_tokens(ids[:2]) == begins
        (plain,) = speaker.tokenize(["<image>a cat\n"])
        assert plain[:2] == [speaker.tokenizer.bos_token_id, speaker.image_token_id]


@pytest.mark.parametrize(("template", "end"), [("v1", "</s>"), ("chatml", "<|im_end|>"), ("plain", "</s>")])
def test_generation_ends_with_the_template(template: str, end: str) -> None:
    """The tokenizer's own end token is </s> throughout."""
    speaker = processor()
    engine = Engine(model(speaker), speaker, template=template)
    ends = {token: speaker.tokenizer.convert_tokens_to_ids(token) for token in ("</s>", "<|im_end|>")}
    for token, number in ends.items():
        with torch.no_grad():  # the token that always comes next
            engine.model.lm_head.weight.zero_()
            engine.model.lm_head.weight[number] = 1.0
            engine.model.model.language_model.norm.weight.abs_()
            engine.model.lm_head.register_forward_pre_hook(lambda _, inputs: (torch.ones_like(inputs[0]),))
        (answer,) = engine.generate([Group((Request("a", "Is it?", 3),))])
        assert (answer.finish_reason, answer.tokens) == (("stop", 1) if token == end else ("length", 3))


def test_asking_in_chatml() -> None:
    """Greedy sampling, so that the same prompts written by hand give the same question and answer."""
    speaker = processor()
    speaker = SqLlavaProcessor(SqLlavaImageProcessor.for_config(tiny.config()), speaker.tokenizer, image_seq_length=9)
    speaking = model(speaker)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8))
    (asked,) = ask(speaking, speaker, picture, n=1, top_k=1)
    engine = Engine(speaking, speaker, template="chatml_sq")
    features = engine.encode([picture])[0]

    def say(text: str, limit: int) -> str:
        (answer,) = engine.generate([Group((Request("0", text, limit),), features=features)])
        return answer.text

    head = f"{CHATML_SQ.system}<|im_start|>user\n<image>\n{DESCRIBE}<|im_end|>\n<|im_start|>assistant\n"
    caption = say(head, 300)
    head += f"{caption}<|im_end|>\n<|im_start|>vuser\n"
    question = say(head, 300)
    assert asked.question == question
    assert asked.answer == say(f"{head}{question}<|im_end|>\n<|im_start|>assistant\n", 128)


def test_templates_that_the_tokenizer_cannot_write() -> None:
    with pytest.raises(TemplateError, match=r"chatml writes <\|im_start\|>, <\|im_end\|>.*fit it: v1, v1_sq, plain"):
        Engine(tiny.model(), tiny.processor(), template="chatml")
