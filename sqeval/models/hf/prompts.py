"""Questions as a processor prepares them: rendered by the chat template, and each image processed once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from sqeval.data.text import read_text
from sqeval.errors import UserError
from sqeval.model import Group, Request, Settings

PLAIN = "plain"
TEXT = frozenset({"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"})
"""What a processor gives for each token; all else is about images."""


@dataclass(frozen=True)
class Row:
    """A question as the model reads it."""

    request: Request
    text: Mapping[str, Tensor]
    """For each token; T long each."""
    image: Mapping[str, Any]
    """About the image; rows about the same one share the tensors."""

    @property
    def length(self) -> int:
        """Tokens of the prompt, the image's included."""
        return len(self.text["input_ids"])


@dataclass(frozen=True)
class Unready:
    """A question that could not be prepared, and why."""

    request: Request
    error: str


class Prompts:
    """The way from questions to a model's inputs."""

    def __init__(self, processor: Any, template: str | None = None) -> None:
        """template: ``plain``, a file of a chat template in Jinja, or None for the processor's own.

        Raises UserError if there is none.
        """
        self.processor = processor
        own = getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)
        if template is None and not own:
            raise UserError(
                "the checkpoint has no chat template; --model-args template=plain asks it with image, newline and "
                "question, template=FILE by a chat template of yours"
            )
        self.plain = template == PLAIN
        self.template = PLAIN if self.plain else str(own) if template is None else read_text(Path(template))
        self.image_token: str | None = getattr(processor, "image_token", None)
        if hasattr(processor, "image_processor"):
            processor.image_processor = Once(processor.image_processor)

    def render(self, text: str, *, image: bool) -> str:
        """The prompt, with the image's placeholder unless there is none."""
        if self.plain:
            return f"{self.image_token or ''}\n{text}" if image else text
        content = [*([{"type": "image"}] if image else []), {"type": "text", "text": text}]
        rendered: str = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], chat_template=self.template, add_generation_prompt=True
        )
        return rendered

    def rows(self, group: Group) -> Iterator[Row | Unready]:
        """The group's questions; its image is opened and processed once."""
        try:
            image = None if group.image is None else group.image.open()
        except Exception as error:  # Pillow's decoders raise many kinds for damaged files
            why = f"image cannot be opened: {type(error).__name__}: {error}"
            yield from (Unready(request, why) for request in group.requests)
            return
        for request in group.requests:
            fault = self.fault(request, image=image is not None)
            if fault is not None:
                yield Unready(request, fault)
                continue
            try:
                yield self.prepare(request, image)
            except Exception as error:  # each processor raises its own kinds
                why = f"the processor cannot prepare it: {type(error).__name__}: {error}"
                yield Unready(request, " ".join(why.split())[:400])

    def prepare(self, request: Request, image: Image.Image | None) -> Row:
        """Tokens and pixels of one question."""
        text = self.render(request.prompt, image=image is not None)
        options = {} if image is None else {"images": [[image]]}
        found = self.processor(text=[text], return_tensors="pt", **self.special(text), **options)
        return Row(
            request,
            {name: value[0] for name, value in found.items() if name in TEXT},
            {name: value for name, value in found.items() if name not in TEXT},
        )

    def special(self, text: str) -> dict[str, bool]:
        """A template that writes the first special token itself must not get another one, as transformers has it."""
        first = self.processor.tokenizer.bos_token
        return {"add_special_tokens": False} if first is not None and text.startswith(first) else {}

    def fault(self, request: Request, *, image: bool) -> str | None:
        """Why a question cannot be asked as it is."""
        if image and self.image_token and self.image_token in request.prompt:
            return f"the question holds {self.image_token}, which stands for an image"
        return None

    def blanks(self) -> list[Row]:
        """A question about blank images of different shapes."""
        asked = Request("", "", "What is it?", Settings())
        return [self.prepare(asked, Image.new("RGB", size)) for size in ((48, 32), (30, 90))]

    def require(self, ckpt: str) -> None:
        """Raises UserError if not even a blank image can be asked about."""
        try:
            blanks = self.blanks()
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())[:400]
            raise UserError(f"checkpoint {ckpt}: its processor cannot prepare a question: {why}") from error
        if not blanks[0].image:
            raise UserError(
                f"checkpoint {ckpt}: its processor makes nothing of an image; is it a language model alone?"
            )


def shapes(row: Row) -> tuple[tuple[str, Any], ...]:
    """What must agree between rows of a batch: each has its images along the first axis of a tensor."""
    return tuple(sorted((name, tuple(getattr(value, "shape", ()))[1:]) for name, value in row.image.items()))


class Once:
    """An image processor that remembers the last image: questions about it come one after the other."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self._last: tuple[Any, dict[str, Any], Any] | None = None

    def __call__(self, images: Any, *args: Any, **options: Any) -> Any:
        image = _only(images)
        if image is None or args:
            return self.inner(images, *args, **options)
        if self._last is None or self._last[0] is not image or self._last[1] != options:
            self._last = image, options, self.inner(images, **options)
        return type(self._last[2])(dict(self._last[2]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _only(images: Any) -> Any:
    """The only image of nested lists; None if there are several."""
    while isinstance(images, list | tuple):
        if len(images) != 1:
            return None
        images = images[0]
    return images
