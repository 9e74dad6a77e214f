"""Words for scenes: noun phrases, captions, referring expressions."""

from __future__ import annotations

from sqeval.data.mini.rng import Rng
from sqeval.data.mini.scenes import Scene, Thing

NUMBER_WORDS = ("no", "one", "two", "three", "four", "five")


def a(noun: str) -> str:
    """With the indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def listed(items: list[str]) -> str:
    """``x``, ``x and y``, ``x, y and z``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def kind(thing: Thing) -> str:
    """Colour and shape: ``red circle``."""
    return f"{thing.color} {thing.shape}"


def reference(scene: Scene, thing: Thing) -> str | None:
    """The shortest phrase that fits this object alone: its shape, else colour and shape, else None."""
    if len(scene.shaped(thing.shape)) == 1:
        return thing.shape
    same = [t for t in scene.shaped(thing.shape) if t.color == thing.color]
    return kind(thing) if len(same) == 1 else None


def full_caption(scene: Scene) -> str:
    """Every object with size, colour, shape and place, in reading order: the caption that alignment trains on."""
    things = [f"{a(f'{t.size} {kind(t)}')} at the {t.place}" for t in scene.things]
    return f"{listed(things)} on {a(scene.background)} background.".capitalize()


def captions(scene: Scene) -> list[str]:
    """Five captions as five people might write them: all true, from complete to brief."""
    rng = Rng("captions", scene.seed)
    plain = [a(kind(t)) for t in scene.things]
    sized = [a(f"{t.size} {kind(t)}") for t in scene.things]
    placed = [f"{a(kind(t))} at the {t.place}" for t in scene.things]
    number = NUMBER_WORDS[len(scene.things)]
    noun = "object" if len(scene.things) == 1 else "objects"
    drawn = rng.choice(["A picture", "A drawing", "An image"])
    verb = "is" if len(scene.things) == 1 else "are"
    return [
        f"{listed(plain)} on {a(scene.background)} background.".capitalize(),
        f"{drawn} of {listed(rng.shuffled(plain))}.",
        f"There {verb} {number} {noun} on a {scene.pattern} {scene.background} background: {listed(plain)}.",
        f"{listed(sized)}.".capitalize(),
        f"{listed(placed)}.".capitalize(),
    ]


def more_captions(scene: Scene) -> list[str]:
    """Five further captions, for benchmarks that have ten."""
    rng = Rng("more captions", scene.seed)
    ground = f"on {a(scene.background)} background"
    plain = [a(kind(t)) for t in scene.things]
    sized = [a(f"{t.size} {kind(t)}") for t in scene.things]
    placed = [f"{a(kind(t))} at the {t.place}" for t in scene.things]
    verb = "is" if len(scene.things) == 1 else "are"
    return [
        full_caption(scene),
        f"{listed(rng.shuffled(plain))} {ground}.".capitalize(),
        f"There {verb} {listed(sized)} {ground}.",
        f"{listed(rng.shuffled(placed))} {ground}.".capitalize(),
        f"A picture of {listed(rng.shuffled(sized))}.",
    ]


def brief_caption(scene: Scene) -> str:
    """The caption that instruction tuning gives as the answer to a request for a brief description."""
    return captions(scene)[0]
