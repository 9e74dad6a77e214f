"""Descriptions for the alignment stage: short true sentences, the known part first and the looked-up part last.

A caption in a fixed order teaches a language model to read objects off one after the other. Sentences that start from
any attribute of any object teach it to look the others up, which is what questions will ask of it.
"""

from __future__ import annotations

from collections.abc import Callable

from sqeval.data.mini.language import a, kind, reference
from sqeval.data.mini.rng import Rng
from sqeval.data.mini.scenes import COLORS, RELATIONS, SHAPES, Scene, related

Statement = Callable[[Scene, Rng], str | None]


def color_of(scene: Scene, rng: Rng) -> str | None:
    """The star is red."""
    thing = rng.choice(scene.things)
    return f"The {thing.shape} is {thing.color}." if len(scene.shaped(thing.shape)) == 1 else None


def shape_of(scene: Scene, rng: Rng) -> str | None:
    """The red object is a star."""
    thing = rng.choice(scene.things)
    return f"The {thing.color} object is a {thing.shape}." if len(scene.colored(thing.color)) == 1 else None


def place_of(scene: Scene, rng: Rng) -> str | None:
    """The star is at the top left."""
    thing = rng.choice(scene.things)
    phrase = reference(scene, thing)
    return phrase and f"The {phrase} is at the {thing.place}."


def at_place(scene: Scene, rng: Rng) -> str:
    """At the top left is a large red star."""
    thing = rng.choice(scene.things)
    return f"At the {thing.place} is {a(f'{thing.size} {kind(thing)}')}."


def size_of(scene: Scene, rng: Rng) -> str | None:
    """The star is small."""
    thing = rng.choice(scene.things)
    phrase = reference(scene, thing)
    return phrase and f"The {phrase} is {thing.size}."


def presence(scene: Scene, rng: Rng) -> str:
    """A star is present. A ring is absent."""
    present = {thing.shape for thing in scene.things}
    shape = rng.choice(sorted(present) if rng.chance(0.5) else [s for s in SHAPES if s not in present])
    return f"A {shape} is {'present' if shape in present else 'absent'}."


def presence_of_kind(scene: Scene, rng: Rng) -> str:
    """A red star is present. A red ring is absent, though there are red objects and a ring."""
    present = {(thing.color, thing.shape) for thing in scene.things}
    color, shape = rng.choice(scene.things).color, rng.choice(scene.things).shape
    if rng.chance(0.3):
        color, shape = rng.choice(COLORS), rng.choice(SHAPES)
    return f"{a(color)} {shape} is {'present' if (color, shape) in present else 'absent'}.".capitalize()


def relation(scene: Scene, rng: Rng) -> str | None:
    """To the left of the star is a ring: said only where exactly one object is."""
    thing, side = rng.choice(scene.things), rng.choice(RELATIONS)
    phrase = reference(scene, thing)
    there = [other for other in scene.things if related(other, side, thing)]
    return f"{side.capitalize()} the {phrase} is a {there[0].shape}." if phrase and len(there) == 1 else None


def number(scene: Scene, rng: Rng) -> str:
    """The number of red objects is 2."""
    thing = rng.choice(scene.things)
    which = rng.below(3)
    if which == 0:
        return f"The number of objects is {len(scene.things)}."
    if which == 1:
        return f"The number of {thing.color} objects is {len(scene.colored(thing.color))}."
    return f"The number of {thing.shape} objects is {len(scene.shaped(thing.shape))}."


def background(scene: Scene, rng: Rng) -> str:
    """The background is teal."""
    return f"The background is {scene.background}."


STATEMENTS: tuple[tuple[Statement, float], ...] = (
    (color_of, 2.0),
    (shape_of, 1.5),
    (place_of, 1.0),
    (at_place, 1.5),
    (size_of, 0.7),
    (presence, 1.5),
    (presence_of_kind, 1.0),
    (relation, 1.0),
    (number, 1.5),
    (background, 0.4),
)
"""Every kind of statement with its weight in a mixed draw."""


def describe(scene: Scene, rng: Rng, sentences: int) -> str:
    """At most `sentences` different statements about a scene, in random order."""
    kinds, weights = zip(*STATEMENTS, strict=True)
    found: dict[str, None] = {}
    for _ in range(4 * sentences):
        statement = rng.weighted(kinds, weights)(scene, rng)
        if statement is not None and len(found) < sentences:
            found.setdefault(statement)
    return " ".join(found)
