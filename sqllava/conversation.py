"""Conversation templates: turns in, prompt text out, and which characters of it are supervised.

The strings are part of what a checkpoint has learnt. ``v1``, ``v1_sq`` and ``plain`` follow the releases of SQ-LLaVA
and LLaVA-1.5 to the letter, missing spaces included; the ``chatml`` pair is for language models that speak ChatML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqllava.errors import TemplateError

Role = Literal["user", "assistant", "vuser"]

IMAGE = "<image>"
"""Placeholder of an image in rendered text."""

_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
_ASKING = (
    "Also, the artificial intelligence assistant is a curious virtual user. "
    "The virtual user asks complex questions that are relevant to the content in the image, for example, "
    "asking about background knowledge of the objects in the image, "
    "asking to discuss about events happening in the image, etc. "
    "Again, do not ask about uncertain details."
)
_HELPFUL = "You are a helpful assistant."


@dataclass(frozen=True, slots=True)
class Turn:
    """What one role says. "vuser" is the virtual user: the model itself asking."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A whole conversation as text. `spans` are half-open character ranges of `text` that carry the loss."""

    text: str
    spans: tuple[tuple[int, int], ...]
    roles: tuple[Role, ...]
    """Who speaks in each span."""


@dataclass(frozen=True, slots=True)
class Speech:
    """How a template writes one role's turn: `opening`, text, `closing`, `gap`."""

    opening: str
    closing: str
    gap: str = ""
    """What stands between this turn and the next; never supervised."""
    supervised: bool = False
    """Whether the loss covers everything from right after `opening` (or the image) through `closing`."""
    silent: bool = False
    """Whether the turn's own text is left out."""


@dataclass(frozen=True, slots=True)
class Template:
    """A way to write conversations as text."""

    name: str
    system: str
    """Text before the first turn, with the space that follows it."""
    speech: Mapping[Role, Speech]
    image: str = f"{IMAGE}\n"
    """What an image puts in front of the first turn's text."""
    lead: str = " "
    """What separates a role's opening from its text."""
    tokens: tuple[str, ...] = ()
    """Special tokens that the template writes, the one that ends an answer last; empty: the tokenizer's end token."""
    asking: str = "v1_sq"
    """Name of the template with a virtual user that a model of this one asks with."""

    def check(self, tokenizer: Any) -> None:
        """Raise TemplateError unless each of the template's special tokens is one token of `tokenizer`."""
        missing = [token for token in self.tokens if not _knows(tokenizer, token)]
        if missing:
            fitting = [one.name for one in TEMPLATES.values() if all(_knows(tokenizer, token) for token in one.tokens)]
            raise TemplateError(
                f"template {self.name} writes {', '.join(missing)}, which is no token of this tokenizer; "
                f"templates that fit it: {', '.join(fitting)}"
            )

    def end_id(self, tokenizer: Any) -> int | None:
        """The token that ends an answer or a self-asked question. Raises TemplateError as `check` does."""
        self.check(tokenizer)
        end: int | None = tokenizer.convert_tokens_to_ids(self.tokens[-1]) if self.tokens else tokenizer.eos_token_id
        return end

    def render(self, turns: Sequence[Turn], *, image: bool) -> Rendered:
        """The whole conversation, every turn closed.

        The supervised spans are known from construction: answers from right after ``ASSISTANT:`` through ``</s>``,
        self-asked questions from right after ``VUSER:`` (and the image, should it come first) through ``</s>``.

        Raises TemplateError for a role that the template does not have, no turns, or text that holds ``<image>``.
        """
        if not turns:
            raise TemplateError(f"template {self.name}: a conversation needs at least one turn")
        text, spans, roles = self.system, [], []
        for turn in turns:
            speech = self._speech(turn)
            text += speech.opening
            start = len(text)
            text += self.lead
            if image:
                text, image = text + self.image, False
                start = len(text)
            text += "" if speech.silent else turn.text
            text += speech.closing
            if speech.supervised:
                spans.append((start, len(text)))
                roles.append(turn.role)
            text += speech.gap
        return Rendered(text, tuple(spans), tuple(roles))

    def prompt(self, turns: Sequence[Turn], *, image: bool) -> str:
        """The conversation so far, ready for the assistant's answer: ends with ``ASSISTANT:``.

        Raises TemplateError if the last turn is already the assistant's, and as `render` does.
        """
        if turns and turns[-1].role == "assistant":
            raise TemplateError(f"template {self.name}: the last turn must not be the assistant's")
        return self.render(turns, image=image).text + self.speech["assistant"].opening

    def prompt_question(self, turns: Sequence[Turn], *, image: bool) -> str:
        """The conversation so far, ready for a question of the virtual user: ends with ``VUSER:``.

        Without turns the image stands in the virtual user's own turn: ``VUSER: <image>\\n``.
        """
        if "vuser" not in self.speech:
            raise TemplateError(f"template {self.name} has no virtual user; {self.asking} has")
        opening = self.speech["vuser"].opening
        if turns:
            return self.render(turns, image=image).text + opening
        return self.system + opening + (self.lead + self.image if image else "")

    def _speech(self, turn: Turn) -> Speech:
        if turn.role not in self.speech:
            known = ", ".join(self.speech)
            raise TemplateError(f"template {self.name} has no role {turn.role!r}; it has {known}")
        if IMAGE in turn.text:
            raise TemplateError(f"the text of a turn must not hold {IMAGE}; the template puts it in")
        return self.speech[turn.role]


def _knows(tokenizer: Any, token: str) -> bool:
    """Whether `token` is written as one token of its own."""
    (*rest, last) = tokenizer(token, add_special_tokens=False)["input_ids"]
    return not rest and last != tokenizer.unk_token_id


_USER = Speech("USER:", "", gap=" ")
_ASSISTANT = Speech("ASSISTANT:", "</s>", supervised=True)
# Unlike a user's turn, a self-asked question is closed by the end token, so that asking knows when to stop.
_VUSER = Speech("VUSER:", "</s>", gap=" ", supervised=True)

_V1: dict[Role, Speech] = {"user": _USER, "assistant": _ASSISTANT}
_SAID = ("<|im_end|>", "\n")
_CHATML: dict[Role, Speech] = {
    "user": Speech("<|im_start|>user\n", *_SAID),
    "assistant": Speech("<|im_start|>assistant\n", *_SAID, supervised=True),
}
_CHATML_VUSER = Speech("<|im_start|>vuser\n", *_SAID, supervised=True)


def _chatml(name: str, system: str, speech: Mapping[Role, Speech]) -> Template:
    """The format of SmolLM2-Instruct, Qwen2 and others."""
    system = f"<|im_start|>system\n{system}<|im_end|>\n"
    return Template(name, system, speech, lead="", tokens=("<|im_start|>", "<|im_end|>"), asking="chatml_sq")


TEMPLATES: dict[str, Template] = {
    template.name: template
    for template in (
        Template("v1", _SYSTEM + " ", _V1, tokens=("</s>",)),
        # The release concatenates the two system texts without a space.
        Template("v1_sq", _SYSTEM + _ASKING + " ", {**_V1, "vuser": _VUSER}, tokens=("</s>",)),
        # Stage 1, alignment: the image, then its caption; the instruction that asked for it is dropped.
        Template(
            "plain",
            "",
            {"user": Speech("", "", silent=True), "assistant": Speech("", "\n", supervised=True)},
            image=IMAGE,
            lead="",
        ),
        _chatml("chatml", _HELPFUL, _CHATML),
        _chatml("chatml_sq", f"{_HELPFUL} {_ASKING}", {**_CHATML, "vuser": _CHATML_VUSER}),
    )
}
"""Every template by its name."""


def template(name: str) -> Template:
    """The template called `name`. Raises TemplateError that lists the known ones."""
    if name not in TEMPLATES:
        raise TemplateError(f"unknown conversation template {name!r}; known: {', '.join(TEMPLATES)}")
    return TEMPLATES[name]
