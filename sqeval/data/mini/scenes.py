"""Small scenes with an exact scene graph: up to five coloured shapes on a 3x3 grid of places.

Shapes are not drawn independently: some are common and some go together, so that POPE's popular and adversarial
questions differ from its random ones, and a model that only knows the statistics has something to fall for.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqeval.data.mini.rng import Rng

SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring", "star", "moon")
SHAPE_WEIGHTS = (2.0, 1.8, 1.5, 1.2, 1.0, 0.9, 0.9, 0.7)
PARTNER = {
    "circle": "square", "square": "circle", "triangle": "diamond", "diamond": "triangle",
    "cross": "ring", "ring": "cross", "star": "moon", "moon": "star",
}  # fmt: skip
"""Shapes that tend to appear together."""
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "black", "white")
BACKGROUNDS = ("gray", "tan", "pink", "teal")
PATTERNS = ("plain", "gradient", "striped")
SIZES = ("small", "large")
RADIUS = {"small": 6, "large": 10}
"""Half the extent of an object, in pixels."""
CELL = 24
"""Side of one of the 3x3 places, in pixels."""
SIDE = 3 * CELL
"""Side of the picture, in pixels."""
PLACES = (
    "top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right",
)  # fmt: skip
RARE = frozenset({("purple", "star"), ("orange", "cross"), ("white", "moon"), ("yellow", "ring"), ("black", "diamond")})
"""Combinations that the training split never shows: out-of-domain objects of the captioning domains."""
COUNT_WEIGHTS = (1.0, 2.0, 3.0, 2.5, 1.5)
"""How often a scene has 1, 2, ... objects."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One object. `x`, `y` are the pixel coordinates of its centre."""

    id: str
    shape: str
    color: str
    size: str
    cell: int
    x: int
    y: int

    @property
    def row(self) -> int:
        return self.cell // 3

    @property
    def column(self) -> int:
        return self.cell % 3

    @property
    def place(self) -> str:
        return PLACES[self.cell]


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture's exact content; `seed` also fixes its noise."""

    seed: str
    things: tuple[Thing, ...]
    """In reading order: by row, then by column."""
    background: str
    pattern: str

    def shaped(self, shape: str) -> list[Thing]:
        """The objects of one shape."""
        return [t for t in self.things if t.shape == shape]

    def colored(self, color: str) -> list[Thing]:
        """The objects of one colour."""
        return [t for t in self.things if t.color == color]


RELATIONS = ("to the left of", "to the right of", "above", "below")


def related(a: Thing, relation: str, b: Thing) -> bool:
    """Whether `a` stands in `relation` to `b`: by grid column or row, so that it is never a matter of taste."""
    return {
        "to the left of": a.column < b.column,
        "to the right of": a.column > b.column,
        "above": a.row < b.row,
        "below": a.row > b.row,
    }[relation]


def sample_scene(*seed: object, rare: str = "never") -> Scene:
    """Draw the scene that belongs to a seed.

    `rare` says how many of its objects are combinations that training never shows: ``never``, ``some`` (one), ``all``.
    """
    rng = Rng("scene", *seed)
    number = 1 + rng.weighted(range(5), COUNT_WEIGHTS)
    cells = sorted(rng.sample(range(9), number))
    odd_one = rng.below(number)
    things: list[Thing] = []
    for i, cell in enumerate(cells):
        if rare == "all" or (rare == "some" and i == odd_one):
            color, shape = rng.choice(sorted(RARE))
        else:
            color, shape = _common_kind(rng, things)
        jitter_x, jitter_y = rng.below(5) - 2, rng.below(5) - 2
        things.append(
            Thing(
                id=str(i + 1),
                shape=shape,
                color=color,
                size=rng.choice(SIZES),
                cell=cell,
                x=cell % 3 * CELL + CELL // 2 + jitter_x,
                y=cell // 3 * CELL + CELL // 2 + jitter_y,
            )
        )
    return Scene(
        seed="/".join(map(str, seed)),
        things=tuple(things),
        background=rng.choice(BACKGROUNDS),
        pattern=rng.choice(PATTERNS),
    )


def _common_kind(rng: Rng, earlier: list[Thing]) -> tuple[str, str]:
    """Colour and shape of the next object: often the partner, or a repeat, of a shape that is already there."""
    while True:
        if earlier and rng.chance(0.35):
            shape = PARTNER[rng.choice(earlier).shape]
        elif earlier and rng.chance(0.25):
            shape = rng.choice(earlier).shape
        else:
            shape = rng.weighted(SHAPES, SHAPE_WEIGHTS)
        color = rng.choice(earlier).color if earlier and rng.chance(0.15) else rng.choice(COLORS)
        if (color, shape) not in RARE:
            return color, shape
