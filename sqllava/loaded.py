"""A loaded checkpoint, and what one does with it: let it answer questions about images, and ask them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack, overload

from PIL import Image

from sqllava import checkpoints
from sqllava.asking import AskedQuestion, Asker, How, Preface
from sqllava.engine import Engine, Group, Request
from sqllava.errors import SqLlavaError
from sqllava.images import open_image
from sqllava.inference.sampling import Sampling

if TYPE_CHECKING:
    from sqllava.modeling import SqLlavaForConditionalGeneration
    from sqllava.processing import SqLlavaProcessor

Picture = str | Path | Image.Image
"""A file or an image in memory."""


class Drawing(TypedDict, total=False):
    """Settings of `SqLlava.answer`."""

    max_new_tokens: int
    temperature: float
    top_k: int
    top_p: float
    seed: int


class Asking(TypedDict, total=False):
    """Settings of `SqLlava.ask`."""

    preface: Preface
    answer: bool
    sequential: bool
    temperature: float | None
    top_k: int | None
    top_p: float | None
    seed: int


class _Parts(NamedTuple):
    model: SqLlavaForConditionalGeneration
    processor: SqLlavaProcessor


class SqLlava(_Parts):
    """A checkpoint that answers and asks; also the pair of transformers' `model` and `processor`.

    Example:
        >>> import sqllava
        >>> from PIL import Image
        >>> vlm = sqllava.load("mini", device="cpu")
        >>> picture = Image.new("RGB", (96, 96), "white")
        >>> picture.paste("red", (30, 30, 60, 60))
        >>> vlm.answer(picture, "What color is the square?")
        'red'
        >>> model, processor = vlm
    """

    def __repr__(self) -> str:
        model = self.model
        size, dtype = sum(each.numel() for each in model.parameters()), str(model.dtype).removeprefix("torch.")
        return f"<SqLlava of {size:,} parameters, {dtype} on {model.device}>"

    @property
    def sees_images(self) -> bool:
        """False for a blind control, which is shown none."""
        return bool(self.model.config.sees_images)

    @cached_property
    def engine(self) -> Engine:
        """Answers many questions about each image, and computes each image once."""
        return Engine(self.model, self.processor)

    @cached_property
    def _asker(self) -> Asker:
        return Asker(self.model, self.processor)

    # str is a Sequence[str], which the first of the overloads that fits settles.
    @overload
    def answer(self, image: Picture | None, question: str, **how: Unpack[Drawing]) -> str: ...  # type: ignore[overload-overlap]

    @overload
    def answer(self, image: Picture | None, question: Sequence[str], **how: Unpack[Drawing]) -> list[str]: ...  # type: ignore[overload-overlap]

    @overload
    def answer(self, image: Sequence[Picture], question: str, **how: Unpack[Drawing]) -> list[str]: ...  # type: ignore[overload-overlap]

    @overload
    def answer(self, image: Sequence[Picture], question: Sequence[str], **how: Unpack[Drawing]) -> list[list[str]]: ...

    def answer(
        self, image: Picture | Sequence[Picture] | None, question: str | Sequence[str], *, max_new_tokens: int = 128,
        temperature: float = 0.0, top_k: int = 0, top_p: float = 1.0, seed: int = 0,
    ) -> str | list[str] | list[list[str]]:  # fmt: skip
        """The answer to a question about an image (None: about nothing), or the answers in order.

        image: a file or an image in memory, or several; each is encoded once, whatever the number of questions.
        question: one or several; several about several images give a list of answers for each image.
        max_new_tokens: where an answer is cut off.
        temperature: 0 is greedy; else tokens are drawn among the `top_k` likeliest (0: all) up to probability `top_p`,
        and the same `seed` draws the same.

        Raises SqLlavaError for an image that cannot be opened, impossible settings, and a question that does not fit
        the model's context.

        Example:
            >>> import sqllava
            >>> from PIL import Image
            >>> vlm = sqllava.load("mini", device="cpu")
            >>> red, green = (Image.new("RGB", (96, 96), "white") for _ in range(2))
            >>> red.paste("red", (30, 30, 60, 60))
            >>> green.paste("green", (30, 30, 60, 60))
            >>> vlm.answer(red, ["What color is the square?", "Is there a square in the image?"])
            ['red', 'yes']
            >>> vlm.answer([red, green], "What color is the square?")
            ['red', 'green']
        """
        images, questions = _list(image), _list(question)
        try:
            sampling = Sampling(temperature, top_k, top_p, seed)
            groups = [
                Group(
                    tuple(
                        Request(f"{i}/{j}", self.engine.prompt(text, image=one is not None), max_new_tokens, sampling)
                        for j, text in enumerate(questions)
                    ),
                    None if one is None else _opener(one),
                )
                for i, one in enumerate(images)
            ]
        except ValueError as error:
            raise SqLlavaError(str(error)) from None
        said = {}
        for answer in self.engine.generate(groups):
            if answer.error is not None:
                raise SqLlavaError(answer.error)
            said[answer.id] = answer.text
        answers = [[said[f"{i}/{j}"] for j in range(len(questions))] for i in range(len(images))]
        if isinstance(question, str):
            alone = [each[0] for each in answers]
            return alone if _several(image) else alone[0]
        return answers if _several(image) else answers[0]

    @overload
    def ask(self, image: Picture, n: int = ..., **how: Unpack[Asking]) -> list[AskedQuestion]: ...  # type: ignore[overload-overlap]

    @overload
    def ask(self, image: Sequence[Picture], n: int = ..., **how: Unpack[Asking]) -> list[list[AskedQuestion]]: ...

    def ask(
        self, image: Picture | Sequence[Picture], n: int = 5, *, preface: Preface = "describe", answer: bool = True,
        sequential: bool = False, temperature: float | None = None, top_k: int | None = None,
        top_p: float | None = None, seed: int = 0,
    ) -> list[AskedQuestion] | list[list[AskedQuestion]]:  # fmt: skip
        """`n` questions that the model asks about an image, or about each of several, and its own answers.

        preface: ``describe`` lets it caption the image first, as the release does; ``none`` asks at once.
        answer: whether it answers what it asked.
        sequential: whether each question sees those before it; else they are drawn alone, and may repeat.
        temperature, top_k, top_p: None: the release's.
        seed: the same seed gives the same questions.

        Raises SqLlavaError as `answer` does, and for a blind control, which would ask without seeing.

        Example:
            >>> import sqllava
            >>> from PIL import Image
            >>> vlm = sqllava.load("mini", device="cpu")
            >>> picture = Image.new("RGB", (96, 96), "white")
            >>> picture.paste("red", (30, 30, 60, 60))
            >>> asked = vlm.ask(picture, n=2)
            >>> [type(each.question).__name__ for each in asked]
            ['str', 'str']
        """
        if not self.sees_images:
            raise SqLlavaError("the checkpoint is a blind control: it would ask without seeing the image")
        how = How(n, preface, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, answer=answer,
                  sequential=sequential)  # fmt: skip
        found = []
        for asked in self._asker.ask({str(i): _opener(one) for i, one in enumerate(_list(image))}, how):
            if asked.error is not None:
                raise SqLlavaError(asked.error)
            found.append(list(asked.questions))
        return found if _several(image) else found[0]


def load(
    checkpoint: str | Path, *, base: str | Path | None = None, device: str = "auto", dtype: str = "auto"
) -> SqLlava:
    """A checkpoint, ready to answer and to ask; as a pair, its model and processor.

    checkpoint: a folder written by save_pretrained, a LoRA adapter folder, a packaged name (``mini``), or a hub id.
    base: for an adapter, the checkpoint underneath instead of the one that the adapter names.
    device: ``auto`` is CUDA where there is one, else the CPU.
    dtype: ``auto`` is bfloat16 on CUDA and float32 on the CPU, whatever the dtype of the stored weights.

    Raises CheckpointError, with one message, for everything that keeps the checkpoint from being used as it is.

    Example:
        >>> import sqllava
        >>> sqllava.load("mini", device="cpu").sees_images
        True
    """
    return SqLlava(*checkpoints.load(checkpoint, base=base, device=device, dtype=dtype))


def _opener(picture: Picture) -> Callable[[], Image.Image]:
    return picture.copy if isinstance(picture, Image.Image) else partial(open_image, Path(picture))


def _several(given: object) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str)


def _list(given: Any) -> list[Any]:
    return list(given) if _several(given) else [given]
