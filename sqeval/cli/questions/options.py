"""Options that several of the commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqeval.questions.files import ImageQuestions
    from sqeval.questions.table import Setup

Files = Annotated[list[Path], typer.Argument(help="Files of questions (*.questions.jsonl).", show_default=False)]
Captions = Annotated[
    Path | None, typer.Option(help="Captions of the images, in COCO's annotation format.", show_default=False)
]
Objects = Annotated[
    Path | None,
    typer.Option(help="Objects in the images: COCO's instances, or JSON of image: [labels].", show_default=False),
]
ContextFile = Annotated[
    Path | None,
    typer.Option("--context", help="Lines of {image_id, captions, objects}, instead of both.", show_default=False),
]
Tier = Annotated[
    int, typer.Option(help="0: text alone; 1: captions and labels; 2: an image-text model; 3: answers.", min=0, max=3)
]
K = Annotated[int, typer.Option("-k", "--k", help="Questions that a reader sees of each image.", min=1)]
Answers = Annotated[
    list[Path] | None, typer.Option(help="Files of `sqeval questions answer`, for tier 3.", show_default=False)
]
Clip = Annotated[
    str | None, typer.Option(help="CLIP-style checkpoint for tier 2: folder or hub id.", show_default=False)
]
VlmCheckpoint = Annotated[
    str | None,
    typer.Option(
        "--vlm", help="For tier 2: a checkpoint that says which images answer a question.", show_default=False
    ),
]
Refs = Annotated[
    Path | None,
    typer.Option(
        help="Questions of people about these images, CSV or JSON Lines; measures likeness.", show_default=False
    ),
]
ReferenceQuestions = Annotated[
    Path | None,
    typer.Option(help="Human questions to learn fluency from, one a line.", show_default="320 that come with sqeval"),
]
TrainingQuestions = Annotated[
    Path | None, typer.Option(help="Questions that the asker was trained on, one a line.", show_default=False)
]


def read(
    files: list[Path], captions: Path | None, objects: Path | None, context: Path | None
) -> list[list[ImageQuestions]]:
    """The conditions in the files, with what is known about their images. Raises UserError for a condition twice."""
    from sqeval.errors import UserError
    from sqeval.questions.context import joined
    from sqeval.questions.files import conditions, read_questions

    found: dict[str, list[ImageQuestions]] = {}
    for path in files:
        for run_id, images in conditions(joined(read_questions(path), captions, objects, context)).items():
            if run_id in found:
                raise UserError(f"{path}: run_id {run_id!r} occurs in two files; give one of them another")
            found[run_id] = images
    return list(found.values())


def with_references(images: list[ImageQuestions], path: Path) -> list[ImageQuestions]:
    """The images with people's questions about them. Raises DataError for a file that fits none."""
    from dataclasses import replace

    from sqeval.errors import DataError
    from sqeval.questions.context import names_of
    from sqeval.questions.importers import table

    asked = {image: tuple(text for text, _ in texts) for image, texts in table(path).items()}
    found = []
    for image in images:
        known = next((asked[name] for name in names_of(image) if name in asked), ())
        found.append(replace(image, context=replace(image.context, ref_questions=known)))
    if not any(image.context.ref_questions for image in found):
        raise DataError(
            f"fits none of the images, which are {images[0].image_id!r}, ...; name images as the questions do",
            file=path,
        )
    return found


def setup(
    tier: int,
    k: int,
    reference: Path | None = None,
    training: Path | None = None,
    answers: list[Path] | None = None,
    clip: str | None = None,
    *,
    references: bool = False,
    vlm: str | None = None,
) -> Setup:
    """How to judge, as the flags say. Raises UserError for a tier without what it needs."""
    from sqeval.errors import UserError
    from sqeval.questions.answers import by_question, read_answers
    from sqeval.questions.fluency import Fluency, reference_questions
    from sqeval.questions.relevance import Captions as ByCaptions
    from sqeval.questions.relevance import Scorer
    from sqeval.questions.table import Setup
    from sqeval.questions.words import tokens

    if tier == 2 and clip is None and vlm is None:
        raise UserError("--tier 2 needs --clip CHECKPOINT, a CLIP-style model, or --vlm CHECKPOINT")
    if clip is not None and vlm is not None:
        raise UserError("--clip and --vlm: give one of them")
    if tier == 3 and not answers:
        raise UserError("--tier 3 needs --answers FILE, which `sqeval questions answer` writes")
    human = reference_questions() if reference is None else _lines(reference)
    if len(human) < 50:
        raise UserError(
            f"--reference-questions {reference}: {len(human)} questions; fluency needs 50; add some, or leave it out"
        )
    known = None if training is None else frozenset(" ".join(tokens(line)) for line in _lines(training))
    scorer: Scorer = ByCaptions()
    if clip is not None:
        from sqeval.questions.clip import Clip as ByClip

        scorer = ByClip(clip)
    if vlm is not None:
        from sqeval.config import resolve
        from sqeval.models.loading import load_model
        from sqeval.questions.vlm import Vlm

        scorer = Vlm(load_model(resolve({"ckpt": vlm, "tasks": "answer", "data": "-"})))
    said = None if not answers else by_question(answer for path in answers for answer in read_answers(path))
    return Setup(
        tier=tier, k=k, fluency=Fluency(human), training=known, scorer=scorer, answers=said, references=references
    )


def _lines(path: Path) -> list[str]:
    from sqeval.data.text import read_text

    return [line.strip() for line in read_text(path).split("\n") if line.strip()]
