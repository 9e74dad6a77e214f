"""The templates through LLaMA's own tokenizer, which Vicuna has: exact ids, and which tokens carry the loss."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from sqllava.conversation import TEMPLATES, Role, Turn
from sqllava.conversion.vocabulary import load_tokenizer
from sqllava.errors import TemplateError
from sqllava.images import SqLlavaImageProcessor
from sqllava.processing import SqLlavaProcessor

BOS, EOS, IMAGE, NEWLINE, SPACE = 1, 2, 32000, 13, 29871
SYSTEM = [319, 13563, 1546, 263, 12758, 1404, 322, 385, 23116, 21082, 20255, 29889, 450, 20255, 4076, 8444, 29892]
"""How "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful," begins
every prompt of Vicuna and LLaVA."""

CHAT = [
    Turn("user", "What is on the bus?"),
    Turn("assistant", "An advert."),
    Turn("vuser", "Where is it?"),
    Turn("assistant", "On a street."),
]
ANSWERING = [Turn("user", turn.text) if turn.role == "vuser" else turn for turn in CHAT]


@cache
def backend_file() -> Path:
    """LLaMA's tokenizer.json, which the package wordllama brings along."""
    spec = find_spec("wordllama")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "tokenizers" / "l2_supercat_tokenizer_config.json"


@pytest.fixture(scope="module", params=[False, True], ids=["", "legacy"])
def processor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SqLlavaProcessor:
    """As a folder of Vicuna's is read: its tokenizer's class and settings, and ``<image>`` added.

    Legacy tokenizers, which older folders ask for, put a space before the text that follows a special token.
    """
    folder = tmp_path_factory.mktemp("vicuna")
    (folder / "tokenizer.json").write_bytes(backend_file().read_bytes())
    settings = {
        "tokenizer_class": "LlamaTokenizer",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "legacy": request.param,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return SqLlavaProcessor(SqLlavaImageProcessor(), load_tokenizer(folder), image_seq_length=576)


@cache
def backend() -> Tokenizer:
    return Tokenizer.from_file(str(backend_file()))


def pieces(text: str) -> list[int]:
    """Ids of `text` tokenized by itself."""
    ids: list[int] = backend().encode(text, add_special_tokens=False).ids
    return ids


def runs(processor: SqLlavaProcessor, name: str, turns: list[Turn], image: bool = True) -> list[tuple[Role, list[int]]]:
    """The supervised tokens of a conversation: who says them, and their ids, one entry an uninterrupted stretch."""
    found: list[tuple[Role, list[int]]] = []
    before: Role | None = None
    for token, role in zip(*processor.encode(TEMPLATES[name].render(turns, image=image)), strict=True):
        if role is not None and (role != before or found[-1][1][-1] == EOS):
            found.append((role, []))
        if role is not None:
            found[-1][1].append(token)
        before = role
    return found


def test_vocabulary(processor: SqLlavaProcessor) -> None:
    assert (processor.tokenizer.bos_token_id, processor.tokenizer.eos_token_id) == (BOS, EOS)
    assert len(processor.tokenizer) == 32001
    assert processor.image_token_id == IMAGE


def test_the_prompt_of_llava(processor: SqLlavaProcessor) -> None:
    prompt = TEMPLATES["v1"].prompt([Turn("user", "Is it?")], image=True)
    (ids,) = processor.tokenize([prompt])
    before, after = ids[: ids.index(IMAGE)], ids[ids.index(IMAGE) + 576 :]
    assert before[: len(SYSTEM) + 1] == [BOS, *SYSTEM]
    assert before[-4:] == [3148, 1001, 29901, SPACE]  # "USER: " with its space as a token of its own
    assert after[:2] == [SPACE, NEWLINE]  # each piece starts with a space of its own, as SentencePiece writes it
    assert after[-5:] == [319, 1799, 9047, 13566, 29901]  # " ASSISTANT:"


def test_pieces_are_tokenized_by_themselves(processor: SqLlavaProcessor) -> None:
    for name in ("v1", "v1_sq"):
        text = TEMPLATES[name].prompt(CHAT[:1], image=True)
        before, after = text.split("<image>")
        assert processor.tokenize([text]) == [[BOS, *pieces(before), *[IMAGE] * 576, *pieces(after)]]
        text = TEMPLATES[name].prompt(CHAT[:1], image=False)
        assert processor.tokenize([text]) == [[BOS, *pieces(text)]]
    text = TEMPLATES["plain"].render([Turn("assistant", "a cat on a mat")], image=True).text
    assert processor.tokenize([text]) == [[BOS, *[IMAGE] * 576, *pieces("a cat on a mat"), NEWLINE]]


def test_what_v1_teaches(processor: SqLlavaProcessor) -> None:
    expected = [("assistant", [*pieces("An advert."), EOS]), ("assistant", [*pieces("On a street."), EOS])]
    assert runs(processor, "v1", ANSWERING) == expected
    assert runs(processor, "v1", ANSWERING, image=False) == expected
    assert runs(processor, "v1_sq", ANSWERING) == expected


def test_what_a_self_asked_question_teaches(processor: SqLlavaProcessor) -> None:
    assert runs(processor, "v1_sq", CHAT) == [
        ("assistant", [*pieces("An advert."), EOS]),
        ("vuser", [*pieces("Where is it?"), EOS]),
        ("assistant", [*pieces("On a street."), EOS]),
    ]


def test_what_plain_teaches(processor: SqLlavaProcessor) -> None:
    assert runs(processor, "plain", CHAT[:2]) == [("assistant", [*pieces("An advert."), NEWLINE])]


def test_asking_starts_where_training_did(processor: SqLlavaProcessor) -> None:
    template = TEMPLATES["v1_sq"]
    ids, roles = processor.encode(template.render(CHAT, image=True))
    for prompt, role in (
        (template.prompt(CHAT[:1], image=True), "assistant"),
        (template.prompt_question(CHAT[:2], image=True), "vuser"),
        (template.prompt(CHAT[:3], image=True), "assistant"),
    ):
        (begun,) = processor.tokenize([prompt])
        assert ids[: len(begun)] == begun
        assert roles[len(begun)] == role
        assert roles[len(begun) - 1] is None


SPECIAL = ("<s>", "</s>", "<unk>", "<image>")
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.text("0123456789 .,%", max_size=20),
    st.text(" \n\tab", max_size=12),
    st.sampled_from(["naïve café", "東京タワー", "Привет", "👩🏽‍🚀 in space", "e\u0301", "\u200b", "   three"]),
).filter(lambda text: not any(token in text for token in SPECIAL))


@given(st.lists(st.tuples(st.booleans(), texts, texts), min_size=1, max_size=3), st.booleans())
def test_any_text(processor: SqLlavaProcessor, said: list[tuple[bool, str, str]], image: bool) -> None:
    """No token lies across the border of a span, and the supervised tokens write the supervised text."""
    turns = []
    for asked, question, answer in said:
        turns += [Turn("vuser" if asked and turns else "user", question), Turn("assistant", answer)]
    rendered = TEMPLATES["v1_sq"].render(turns, image=image)
    ids, roles = processor.encode(rendered)
    spoken = [(role, rendered.text[a:b]) for (a, b), role in zip(rendered.spans, rendered.roles, strict=True)]
    told = [(role, processor.tokenizer.decode(run)) for role, run in runs(processor, "v1_sq", turns, image)]
    # LLaMA's decoder drops one space at the very start, the one between "ASSISTANT:" and the answer.
    assert told == [(role, text.removeprefix(" ")) for role, text in spoken]
    assert ids.count(BOS) == 1
    assert ids[0] == BOS
    assert ids.count(EOS) == len(rendered.spans)
    assert ids.count(IMAGE) == 576 * image
    assert not any(role for token, role in zip(ids, roles, strict=True) if token in (BOS, IMAGE))


@given(texts)
def test_lengths_are_those_of_the_pieces(processor: SqLlavaProcessor, text: str) -> None:
    rendered = TEMPLATES["v1"].prompt([Turn("user", text)], image=True)
    (ids,) = processor.tokenize([rendered])
    assert len(ids) == 1 + 576 + sum(len(pieces(piece)) for piece in rendered.split("<image>"))


def test_the_answer_ends_where_the_template_says(processor: SqLlavaProcessor) -> None:
    tokenizer: Any = processor.tokenizer
    assert TEMPLATES["v1"].end_id(tokenizer) == TEMPLATES["v1_sq"].end_id(tokenizer) == EOS
    with pytest.raises(TemplateError, match=r"chatml writes <\|im_start\|>, <\|im_end\|>.* fit it: v1, v1_sq, plain"):
        TEMPLATES["chatml"].end_id(tokenizer)
