"""What an answered question lets one know: GQA's full answers, entailed questions and object pointers.

Facts are about existence, ``("some", "red star")`` or ``("none", "star")``. Where a question speaks of *the* star there
is only one, so that ``some red star`` also says which colour it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqeval.data.mini.language import a
from sqeval.data.mini.questions import Question
from sqeval.data.mini.scenes import COLORS, Scene

Fact = tuple[str, str]


def phrases(question: Question) -> list[str]:
    """The noun phrases of a question, read off its program: ``star``, ``red star``, ``red object``."""
    found: list[str] = []
    for operation, argument, _ in question.program:
        if operation == "select" and argument != "scene":
            found.append(argument.split(" (")[0])
        elif operation == "filter color":
            found[-1] = f"{argument} {found[-1]}"
        elif operation == "verify rel":
            found.append(argument.split(",")[0])
    return found


def stated(question: Question) -> set[Fact]:
    """The facts that a question and its answer tell, with what the question takes for granted."""
    named, yes = phrases(question), question.answer == "yes"
    word = question.program[-1][0]
    if word in ("exist", "or") and not yes:
        return {("none", p) for p in named}
    if word == "or" or (word == "and" and not yes):
        return set()
    facts = {("some", p) for p in named}
    if question.family in ("color_of", "choose_color"):
        facts.add(("some", f"{question.answer} {named[0]}"))
    elif question.family == "verify_color":
        facts.add(("some" if yes else "none", f"{question.program[-1][1]} {named[0]}"))
    elif question.family == "shape_of":
        facts |= {("some", question.answer), ("some", named[0].replace("object", question.answer))}
    elif question.family == "related_shape":
        facts.add(("some", question.answer))
    return facts


def settled(question: Question, facts: set[Fact]) -> bool:
    """Whether the facts alone give the question's answer."""
    named, yes = phrases(question), question.answer == "yes"
    some = [_some(p, facts) for p in named]
    none = [_none(p, facts) for p in named]
    word = question.program[-1][0]
    if word == "exist":
        return all(some) if yes else all(none)
    if word == "and":
        return all(some) if yes else any(none)
    if word == "or":
        return any(some) if yes else all(none)
    if question.family in ("color_of", "choose_color"):
        return ("some", f"{question.answer} {named[0]}") in facts
    if question.family == "verify_color":
        asked = question.program[-1][1]
        return any((("some", f"{color} {named[0]}") in facts) and (color == asked) == yes for color in COLORS) or (
            not yes and _none(f"{asked} {named[0]}", facts)
        )
    if question.family == "shape_of":
        return ("some", named[0].replace("object", question.answer)) in facts
    return False


def _some(phrase: str, facts: set[Fact]) -> bool:
    return any(kind == "some" and (p == phrase or p.endswith(f" {phrase}")) for kind, p in facts)


def _none(phrase: str, facts: set[Fact]) -> bool:
    return ("none", phrase) in facts or ("none", phrase.split()[-1]) in facts


def entailments(questions: Sequence[Question]) -> list[list[int]]:
    """For each question about one scene: indices of those whose answers follow from its own, itself among them."""
    facts = [stated(q) for q in questions]
    return [
        [j for j, other in enumerate(questions) if i == j or settled(other, facts[i])] for i in range(len(questions))
    ]


def full_answer(question: Question, scene: Scene) -> str:
    """The answer as a sentence."""
    named, answer = phrases(question), question.answer
    if question.program[-1][0] == "exist":
        return f"Yes, there is {a(named[0])}." if answer == "yes" else f"No, there is no {named[0]}."
    if question.family == "verify_color":
        color = next(t.color for t in scene.things if t.id == question.things[0])
        return f"{answer.capitalize()}, the {named[0]} is {color}."
    if question.family in ("color_of", "choose_color", "size_of"):
        return f"The {named[0]} is {answer}."
    if question.family == "shape_of":
        return f"The {named[0]} is {a(answer)}."
    if question.family == "place_of":
        return f"The {named[0]} is at the {answer}."
    if question.family == "count":
        return f"There {'is' if answer == '1' else 'are'} {answer}."
    if question.family == "background":
        return f"The background is {answer}."
    return f"{answer.capitalize()}."


def pointers(text: str, scene: Scene, ids: Iterable[str]) -> dict[str, str]:
    """Word positions of the objects that a text names: ``{"3": id}``, or ``{"3:5": id}`` for two words."""
    words = text.strip("?.").replace(",", "").split()
    found: dict[str, str] = {}
    for thing in (t for t in scene.things if t.id in set(ids)):
        for phrase in ([thing.color, thing.shape], [thing.color, "object"], [thing.shape]):
            starts = [i for i in range(len(words)) if words[i : i + len(phrase)] == phrase]
            if starts:
                key = str(starts[0]) if len(phrase) == 1 else f"{starts[0]}:{starts[0] + len(phrase)}"
                found[key] = thing.id
                break
    return found
