"""The training split: LLaVA-format conversations about scenes that no evaluation file shows.

Mixed as LLaVA's instruction data is: short-answer conversations with the format prompt on the first turn only, multiple
choice, captions, detailed descriptions followed by questions, and text-only samples.
"""

from __future__ import annotations

from typing import Any

from sqeval.data.mini.language import brief_caption, full_caption
from sqeval.data.mini.questions import Question, ask
from sqeval.data.mini.rng import Rng
from sqeval.data.mini.scenes import COLORS, SHAPES, Scene

SHORT = "\nAnswer the question using a single word or phrase."
LETTER = "\nAnswer with the option's letter from the given choices directly."
BRIEF = "Provide a brief description of the given image, your answer should be in one sentence."
DETAIL = "Can you describe the image in detail?"

Turns = list[tuple[str, str]]
"""(human, gpt) pairs."""


def short_answers(scene: Scene, rng: Rng, number: int) -> Turns:
    """Short questions; the format prompt stands on the first turn only, as in LLaVA's mix."""
    questions = ask(scene, rng, number)
    return [(q.text + (SHORT if i == 0 else ""), q.answer) for i, q in enumerate(questions)]


def options(question: Question, rng: Rng, most: int = 4) -> tuple[list[str], int]:
    """Answer options in random order and the index of the right one."""
    texts = rng.shuffled([question.answer, *rng.sample(question.wrong, most - 1)])
    return texts, texts.index(question.answer)


def choice_text(question: str, texts: list[str]) -> str:
    """The question with lettered options, as LLaVA's MMBench and ScienceQA prompts have them."""
    return "\n".join([question, *(f"{'ABCDE'[i]}. {text}" for i, text in enumerate(texts))])


CHOICE_FAMILIES = (
    "color_of", "shape_of", "place_of", "related_shape", "count", "background", "exist_object", "verify_relation",
)  # fmt: skip
"""Families that make good multiple-choice questions."""


def multiple_choice(scene: Scene, rng: Rng, number: int) -> Turns:
    """Lettered questions, each turn with its format prompt."""
    turns: Turns = []
    for question in ask(scene, rng, number, CHOICE_FAMILIES):
        texts, right = options(question, rng)
        hint = f"{full_caption(scene)}\n" if rng.chance(0.05) else ""
        turns.append((hint + choice_text(question.text, texts) + LETTER, "ABCDE"[right]))
    return turns


def described(scene: Scene, rng: Rng, number: int) -> Turns:
    """A detailed description, then questions: the order in which the model is later made to ask."""
    return [
        (DETAIL, full_caption(scene)),
        *((q.text, q.answer) for q in ask(scene, rng, number)),
    ]


def brief(scene: Scene, rng: Rng, number: int) -> Turns:
    """A brief description, then questions."""
    return [
        (BRIEF, brief_caption(scene)),
        *((q.text, q.answer) for q in ask(scene, rng, number)),
    ]


def text_only(rng: Rng) -> Turns:
    """Questions that need no image: word classes, alphabetical order, opposites, and reading a stated context."""
    turns: Turns = []
    for _ in range(3):
        question = text_question(rng)
        if question.family != "text_context" or rng.chance(0.5):
            texts, right = options(question, rng)
            turns.append((choice_text(question.text, texts) + LETTER, "ABCDE"[right]))
        else:
            turns.append((question.text + SHORT, question.answer))
    return turns


def text_question(rng: Rng) -> Question:
    """One question about words alone."""
    which = rng.below(3)
    if which == 0:
        answer, wrong = rng.choice(COLORS), rng.sample(SHAPES, 3)
        return Question("Which word is a color?", answer, tuple(wrong), "text_color", "query", "global")
    if which == 1:
        answer, wrong = rng.choice(SHAPES), rng.sample(COLORS, 3)
        return Question("Which word is a shape?", answer, tuple(wrong), "text_shape", "query", "global")
    shape, color, other = rng.choice(SHAPES), rng.choice(COLORS), rng.choice(COLORS)
    text = f"Context: The {shape} is {color}. The background is {other}.\nWhat color is the {shape}?"
    return Question(text, color, tuple(c for c in COLORS if c != color), "text_context", "query", "global")


def conversation(scene: Scene, index: int) -> Turns:
    """The conversation about a training scene: kinds alternate with fixed shares."""
    rng = Rng("conversation", scene.seed, index)
    make = rng.weighted(
        (short_answers, multiple_choice, described, brief),
        (0.42, 0.35, 0.15, 0.08),
    )
    return make(scene, rng, 5 if make is multiple_choice else 10)


def to_llava(id: str, image: str | None, turns: Turns) -> dict[str, Any]:
    """One sample of LLaVA's JSON format; ``<image>`` stands in the first human turn."""
    conversations = []
    for i, (human, gpt) in enumerate(turns):
        prefix = "<image>\n" if image is not None and i == 0 else ""
        conversations += [{"from": "human", "value": prefix + human}, {"from": "gpt", "value": gpt}]
    return {"id": id, **({"image": image} if image is not None else {}), "conversations": conversations}
