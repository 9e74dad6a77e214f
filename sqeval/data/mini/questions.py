"""Questions about a scene, each with its answer, plausible wrong answers and a GQA-style program.

One function a family. Each returns a question or None where the scene does not allow one (no unique object to refer
to, say); `ask` draws from all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqeval.data.mini.language import reference
from sqeval.data.mini.rng import Rng
from sqeval.data.mini.scenes import (
    BACKGROUNDS,
    COLORS,
    PARTNER,
    PLACES,
    RARE,
    RELATIONS,
    SHAPES,
    SIZES,
    Scene,
    Thing,
    related,
)

Step = tuple[str, str, tuple[int, ...]]
"""Operation, argument, indices of the steps it depends on."""
Program = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question with everything that any benchmark's file wants to know about it."""

    text: str
    answer: str
    wrong: tuple[str, ...]
    """Other answers of the same kind, for multiple choice and for GQA's valid answers."""
    family: str
    """Name of the function below that made it."""
    structural: str
    """GQA's structural type: verify, query, choose, logical, compare."""
    semantic: str
    """GQA's semantic type: obj, attr, cat, rel, global."""
    things: tuple[str, ...] = ()
    """Ids of the objects it is about."""
    program: Program = ()

    @property
    def answer_type(self) -> str:
        """VQA's answer type."""
        if self.answer in ("yes", "no"):
            return "yes/no"
        return "number" if self.answer.isdigit() else "other"


Family = Callable[[Scene, Rng], Question | None]


def _others(values: tuple[str, ...], answer: str) -> tuple[str, ...]:
    return tuple(v for v in values if v != answer)


def _yes_no(yes: bool) -> tuple[str, tuple[str, ...]]:
    return ("yes", ("no",)) if yes else ("no", ("yes",))


def _referable(scene: Scene, rng: Rng) -> tuple[Thing, str] | None:
    """A random object that a short phrase singles out, and that phrase."""
    for thing in rng.shuffled(scene.things):
        phrase = reference(scene, thing)
        if phrase is not None:
            return thing, phrase
    return None


def _find(phrase: str, things: Sequence[Thing]) -> Program:
    """Select what a noun phrase names: ``red star`` is the stars, then the red ones. Ids stand in brackets."""
    *adjectives, noun = phrase.split()
    found: Program = (("select", f"{noun} ({','.join(t.id for t in things) or '-'})", ()),)
    return _then(found, *(("filter color", color) for color in adjectives))


def _then(program: Program, *steps: tuple[str, str]) -> Program:
    """Further steps, each of which works on the result of the one before."""
    for operation, argument in steps:
        program += ((operation, argument, (len(program) - 1,)),)
    return program


def _join(left: Program, right: Program, operation: str) -> Program:
    """Two programs, and a last step that works on both results."""
    moved = tuple((name, argument, tuple(d + len(left) for d in needs)) for name, argument, needs in right)
    return (*left, *moved, (operation, "", (len(left) - 1, len(left) + len(moved) - 1)))


def exist_shape(scene: Scene, rng: Rng) -> Question:
    """Is there a star? Absent shapes are half the time the usual partner of a shape that is present."""
    present = sorted({t.shape for t in scene.things})
    absent = [s for s in SHAPES if s not in present]
    tempting = [s for s in absent if PARTNER[s] in present]
    yes = rng.chance(0.5)
    shape = rng.choice(present) if yes else rng.choice(tempting if tempting and rng.chance(0.5) else absent)
    answer, wrong = _yes_no(yes)
    thing = scene.shaped(shape)[0] if yes else None
    return Question(
        f"Is there a {shape} in the image?", answer, wrong, "exist_shape", "verify", "obj",
        (thing.id,) if thing else (), _then(_find(shape, scene.shaped(shape)), ("exist", "?")),
    )  # fmt: skip


def exist_object(scene: Scene, rng: Rng) -> Question:
    """Is there a red star? Half of the absent ones have their colour and their shape elsewhere in the scene."""
    present = {(t.color, t.shape): t for t in scene.things}
    yes = rng.chance(0.5)
    if yes:
        color, shape = rng.choice(sorted(present))
    else:
        colors, shapes = {t.color for t in scene.things}, {t.shape for t in scene.things}
        absent = [(c, s) for c in COLORS for s in SHAPES if (c, s) not in present and (c, s) not in RARE]
        crossed = [(c, s) for c, s in absent if c in colors and s in shapes]
        color, shape = rng.choice(crossed if crossed and rng.chance(0.5) else absent)
    answer, wrong = _yes_no(yes)
    thing = present.get((color, shape))
    return Question(
        f"Is there a {color} {shape} in the image?".replace("a orange", "an orange"),
        answer, wrong, "exist_object", "verify", "obj", (thing.id,) if thing else (),
        _then(_find(f"{color} {shape}", [t for t in scene.shaped(shape) if t.color == color]), ("exist", "?")),
    )  # fmt: skip


def verify_color(scene: Scene, rng: Rng) -> Question | None:
    """Is the star red?"""
    unique = [t for t in scene.things if len(scene.shaped(t.shape)) == 1]
    if not unique:
        return None
    thing = rng.choice(unique)
    elsewhere = sorted({t.color for t in scene.things} - {thing.color})
    yes = rng.chance(0.5)
    other = elsewhere if elsewhere and rng.chance(0.5) else _others(COLORS, thing.color)
    color = thing.color if yes else rng.choice(other)
    answer, wrong = _yes_no(yes)
    return Question(
        f"Is the {thing.shape} {color}?", answer, wrong, "verify_color", "verify", "attr", (thing.id,),
        _then(_find(thing.shape, [thing]), ("verify color", color)),
    )  # fmt: skip


def verify_relation(scene: Scene, rng: Rng) -> Question | None:
    """Is the star to the left of the ring? Asked only where the two differ along that axis."""
    first, second = _referable(scene, rng), _referable(scene, rng)
    if first is None or second is None or first[0] == second[0]:
        return None
    (a, phrase_a), (b, phrase_b) = first, second
    yes = rng.chance(0.5)
    fitting = [r for r in RELATIONS if related(a, r, b) == yes and (related(a, r, b) or related(b, r, a))]
    if not fitting:
        return None
    relation = rng.choice(fitting)
    answer, wrong = _yes_no(yes)
    return Question(
        f"Is the {phrase_a} {relation} the {phrase_b}?", answer, wrong, "verify_relation", "verify", "rel",
        (a.id, b.id), _then(_find(phrase_b, [b]), ("verify rel", f"{phrase_a},{relation},s ({a.id})")),
    )  # fmt: skip


def both_or_either(scene: Scene, rng: Rng) -> Question:
    """Are there both a star and a ring? Is there either a star or a ring?"""
    word = rng.choice(["and", "or"])
    present = sorted({t.shape for t in scene.things})
    absent = [s for s in SHAPES if s not in present]
    yes = rng.chance(0.5) and (word == "or" or len(present) > 1)
    if word == "and":
        x, y = rng.sample(present, 2) if yes else rng.shuffled([rng.choice(present), rng.choice(absent)])
        text = f"Are there both a {x} and a {y}?"
    else:
        x, y = rng.shuffled([rng.choice(present), rng.choice(absent)]) if yes else rng.sample(absent, 2)
        text = f"Is there either a {x} or a {y}?"
    answer, wrong = _yes_no(yes)
    found = [next(iter(scene.shaped(s)), None) for s in (x, y)]
    left, right = (_then(_find(s, scene.shaped(s)), ("exist", "?")) for s in (x, y))
    return Question(
        text, answer, wrong, "both_or_either", "logical", "obj", tuple(t.id for t in found if t),
        _join(left, right, word),
    )  # fmt: skip


def same_color(scene: Scene, rng: Rng) -> Question | None:
    """Are the star and the ring the same color?"""
    unique = [t for t in scene.things if len(scene.shaped(t.shape)) == 1]
    if len(unique) < 2:
        return None
    pairs = [(x, y) for x in unique for y in unique if x.id < y.id]
    equal = [p for p in pairs if p[0].color == p[1].color]
    x, y = rng.choice(equal) if equal and rng.chance(0.5) else rng.choice(pairs)
    answer, wrong = _yes_no(x.color == y.color)
    return Question(
        f"Are the {x.shape} and the {y.shape} the same color?", answer, wrong, "same_color", "compare", "attr",
        (x.id, y.id), _join(_find(x.shape, [x]), _find(y.shape, [y]), "same color"),
    )  # fmt: skip


def color_of(scene: Scene, rng: Rng) -> Question | None:
    """What color is the star?"""
    unique = [t for t in scene.things if len(scene.shaped(t.shape)) == 1]
    if not unique:
        return None
    thing = rng.choice(unique)
    return Question(
        f"What color is the {thing.shape}?", thing.color, _others(COLORS, thing.color), "color_of", "query", "attr",
        (thing.id,), _then(_find(thing.shape, [thing]), ("query", "color")),
    )  # fmt: skip


def shape_of(scene: Scene, rng: Rng) -> Question | None:
    """What shape is the red object?"""
    unique = [t for t in scene.things if len(scene.colored(t.color)) == 1]
    if not unique:
        return None
    thing = rng.choice(unique)
    return Question(
        f"What shape is the {thing.color} object?", thing.shape, _others(SHAPES, thing.shape), "shape_of", "query",
        "cat", (thing.id,), _then(_find(f"{thing.color} object", [thing]), ("query", "name")),
    )  # fmt: skip


def size_of(scene: Scene, rng: Rng) -> Question | None:
    """Is the star small or large?"""
    found = _referable(scene, rng)
    if found is None:
        return None
    thing, phrase = found
    return Question(
        f"Is the {phrase} small or large?", thing.size, _others(SIZES, thing.size), "size_of", "choose", "attr",
        (thing.id,), _then(_find(phrase, [thing]), ("choose size", "small|large")),
    )  # fmt: skip


def choose_color(scene: Scene, rng: Rng) -> Question | None:
    """Is the star red or blue?"""
    unique = [t for t in scene.things if len(scene.shaped(t.shape)) == 1]
    if not unique:
        return None
    thing = rng.choice(unique)
    other = rng.choice(_others(COLORS, thing.color))
    x, y = rng.shuffled([thing.color, other])
    return Question(
        f"Is the {thing.shape} {x} or {y}?", thing.color, (other,), "choose_color", "choose", "attr", (thing.id,),
        _then(_find(thing.shape, [thing]), ("choose color", f"{x}|{y}")),
    )  # fmt: skip


def place_of(scene: Scene, rng: Rng) -> Question | None:
    """Where is the star?"""
    found = _referable(scene, rng)
    if found is None:
        return None
    thing, phrase = found
    return Question(
        f"Where is the {phrase}?", thing.place, _others(PLACES, thing.place), "place_of", "query", "rel",
        (thing.id,), _then(_find(phrase, [thing]), ("query", "position")),
    )  # fmt: skip


def related_shape(scene: Scene, rng: Rng) -> Question | None:
    """What shape is to the left of the star? Asked only where exactly one object is."""
    found = _referable(scene, rng)
    if found is None:
        return None
    thing, phrase = found
    for relation in rng.shuffled(RELATIONS):
        fitting = [t for t in scene.things if related(t, relation, thing)]
        if len(fitting) == 1:
            target = fitting[0]
            return Question(
                f"What shape is {relation} the {phrase}?", target.shape, _others(SHAPES, target.shape),
                "related_shape", "query", "rel", (thing.id, target.id),
                _then(_find(phrase, [thing]), ("relate", f"_,{relation},s ({target.id})"), ("query", "name")),
            )  # fmt: skip
    return None


def count(scene: Scene, rng: Rng) -> Question:
    """How many stars / red objects / objects are there?"""
    what = rng.choice(["shape", "color", "all"])
    if what == "shape":
        phrase = rng.choice(scene.things).shape
        plural, things = f"{phrase}{'e' if phrase == 'cross' else ''}s", scene.shaped(phrase)
    elif what == "color":
        color = rng.choice(scene.things).color
        phrase, plural, things = f"{color} object", f"{color} objects", scene.colored(color)
    else:
        phrase, plural, things = "object", "objects", list(scene.things)
    answer = str(len(things))
    return Question(
        f"How many {plural} are there?", answer, _others(("1", "2", "3", "4", "5"), answer), "count", "query", "obj",
        tuple(t.id for t in things), _then(_find(phrase, things), ("count", "")),
    )  # fmt: skip


def background(scene: Scene, rng: Rng) -> Question:
    """What color is the background?"""
    return Question(
        "What color is the background?", scene.background, _others(BACKGROUNDS, scene.background), "background",
        "query", "global", (), (("select", "scene", ()), ("query", "color", (0,))),
    )  # fmt: skip


FAMILIES: dict[str, tuple[Family, float]] = {
    "exist_shape": (exist_shape, 1.5),
    "exist_object": (exist_object, 1.5),
    "verify_color": (verify_color, 1.0),
    "verify_relation": (verify_relation, 1.0),
    "both_or_either": (both_or_either, 0.7),
    "same_color": (same_color, 0.7),
    "color_of": (color_of, 2.0),
    "shape_of": (shape_of, 2.0),
    "size_of": (size_of, 0.7),
    "choose_color": (choose_color, 0.7),
    "place_of": (place_of, 1.2),
    "related_shape": (related_shape, 1.2),
    "count": (count, 1.8),
    "background": (background, 0.4),
}
"""Every family with its weight in a mixed draw."""


def ask(scene: Scene, rng: Rng, number: int, families: tuple[str, ...] | None = None) -> list[Question]:
    """At most `number` different questions about a scene, families drawn by weight (of `families`, if given)."""
    names = families or tuple(FAMILIES)
    questions: dict[str, Question] = {}
    for _ in range(8 * number):
        name = rng.weighted(names, [FAMILIES[n][1] for n in names])
        question = FAMILIES[name][0](scene, rng)
        if question is not None:
            questions.setdefault(question.text, question)
        if len(questions) == number:
            break
    return list(questions.values())
