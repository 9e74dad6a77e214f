"""Golden prompts: every character of what a model is shown, written out."""

from __future__ import annotations

import pytest

from sqllava.conversation import TEMPLATES, Turn, template
from sqllava.errors import SqLlavaError, TemplateError

V1 = TEMPLATES["v1"]
V1_SQ = TEMPLATES["v1_sq"]
PLAIN = TEMPLATES["plain"]

CHAT = [
    Turn("user", "What is on the bus?"),
    Turn("assistant", "An advert."),
    Turn("user", "Where is it?"),
    Turn("assistant", "On a street."),
]
ASKING = [*CHAT[:2], Turn("vuser", "Where is it?"), CHAT[3]]


def test_v1_prompt() -> None:
    assert V1.prompt(CHAT[:1], image=True) == (
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed,"
        " and polite answers to the user's questions. USER: <image>\nWhat is on the bus? ASSISTANT:"
    )


def test_v1_text_only_prompt() -> None:
    assert V1.prompt(CHAT[:1], image=False) == (
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed,"
        " and polite answers to the user's questions. USER: What is on the bus? ASSISTANT:"
    )


def test_v1_conversation() -> None:
    rendered = V1.render(CHAT, image=True)
    assert rendered.text == (
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed,"
        " and polite answers to the user's questions. USER: <image>\nWhat is on the bus? ASSISTANT: An advert.</s>"
        "USER: Where is it? ASSISTANT: On a street.</s>"
    )
    assert [rendered.text[a:b] for a, b in rendered.spans] == [" An advert.</s>", " On a street.</s>"]


def test_v1_later_prompt_continues_the_conversation() -> None:
    assert V1.prompt(CHAT[:3], image=True) == V1.render(CHAT[:2], image=True).text + "USER: Where is it? ASSISTANT:"


def test_v1_sq_conversation_with_a_self_asked_question() -> None:
    rendered = V1_SQ.render(ASKING, image=True)
    assert rendered.text == (
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed,"
        " and polite answers to the user's questions.Also, the artificial intelligence assistant is a curious virtual"
        " user. The virtual user asks complex questions that are relevant to the content in the image, for example,"
        " asking about background knowledge of the objects in the image, asking to discuss about events happening in"
        " the image, etc. Again, do not ask about uncertain details. USER: <image>\nWhat is on the bus? ASSISTANT: An"
        " advert.</s>VUSER: Where is it?</s> ASSISTANT: On a street.</s>"
    )
    assert [rendered.text[a:b] for a, b in rendered.spans] == [
        " An advert.</s>",
        " Where is it?</s>",
        " On a street.</s>",
    ]
    assert rendered.roles == ("assistant", "vuser", "assistant")


def test_prompts_for_asking_and_for_answering_oneself() -> None:
    begun = V1_SQ.render(CHAT[:2], image=True).text
    assert V1_SQ.prompt_question(CHAT[:2], image=True) == begun + "VUSER:"
    assert V1_SQ.prompt([*CHAT[:2], ASKING[2]], image=True) == begun + "VUSER: Where is it?</s> ASSISTANT:"


def test_asking_first_thing() -> None:
    assert V1_SQ.prompt_question([], image=True) == V1_SQ.system + "VUSER: <image>\n"
    assert V1_SQ.system.endswith("uncertain details. ")
    rendered = V1_SQ.render([Turn("vuser", "Why?"), Turn("assistant", "So.")], image=True)
    assert rendered.text == V1_SQ.system + "VUSER: <image>\nWhy?</s> ASSISTANT: So.</s>"
    assert [rendered.text[a:b] for a, b in rendered.spans] == ["Why?</s>", " So.</s>"]


def test_plain() -> None:
    rendered = PLAIN.render([Turn("user", "Describe."), Turn("assistant", "a cat on a mat")], image=True)
    assert rendered.text == "<image>a cat on a mat\n"
    assert [rendered.text[a:b] for a, b in rendered.spans] == ["a cat on a mat\n"]
    assert PLAIN.prompt([Turn("user", "Describe.")], image=True) == "<image>"
    assert PLAIN.render([Turn("assistant", "a cat")], image=True).text == "<image>a cat\n"


def test_unknown_template_names_the_known_ones() -> None:
    assert template("v1") is V1
    with pytest.raises(TemplateError, match=r"'v2'.*v1, v1_sq, plain"):
        template("v2")


@pytest.mark.parametrize("name", ["v1", "plain"])
def test_templates_without_a_virtual_user_say_so(name: str) -> None:
    with pytest.raises(TemplateError, match="no role 'vuser'"):
        TEMPLATES[name].render(ASKING, image=True)
    with pytest.raises(TemplateError, match="no virtual user; v1_sq has"):
        TEMPLATES[name].prompt_question([], image=True)


def test_what_cannot_be_rendered_is_an_error() -> None:
    with pytest.raises(TemplateError, match="at least one turn"):
        V1.render([], image=True)
    with pytest.raises(TemplateError, match="must not be the assistant's"):
        V1.prompt(CHAT[:2], image=False)
    with pytest.raises(TemplateError, match="must not hold <image>"):
        V1.prompt([Turn("user", "what is <image>?")], image=True)
    assert issubclass(TemplateError, SqLlavaError)
