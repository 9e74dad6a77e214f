"""Which scenes are for evaluation: each benchmark's own, none like another and none that training shows."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import count, islice

from sqeval.data.mini.scenes import Scene, sample_scene
from sqeval.data.mini.training import SCENES

COCO_IMAGES, GQA_IMAGES, SCIENCEQA_IMAGES, MMBENCH_IMAGES, NOCAPS_IMAGES = 200, 100, 200, 100, 40
POPE_IMAGES = 100
"""How many of the COCO pictures POPE asks about: those with enough shapes."""
POPE_SHAPES = 3
"""Shapes that a picture needs for POPE's three positive questions."""


@dataclass(frozen=True, slots=True)
class Splits:
    """The scenes of every benchmark; `nocaps` is by domain."""

    coco: tuple[Scene, ...]
    """Shared by VQAv2, POPE and COCO captions, as the real ones share val2014."""
    gqa: tuple[Scene, ...]
    scienceqa: tuple[Scene, ...]
    mmbench: tuple[Scene, ...]
    nocaps: dict[str, tuple[Scene, ...]]


def content(scene: Scene) -> Hashable:
    """What a scene shows, whatever its seed. Pattern and exact pixel positions are left out on purpose: two scenes
    that differ in nothing else are too alike to stand on both sides of the split."""
    return scene.background, tuple((t.shape, t.color, t.size, t.cell) for t in scene.things)


def shapes(scene: Scene) -> set[str]:
    """The different shapes in a scene."""
    return {t.shape for t in scene.things}


def evaluation_splits() -> Splits:
    """All evaluation scenes, in the same order on every machine."""
    taken = {content(sample_scene("train", i)) for i in range(SCENES)}
    return Splits(
        coco=_coco(_fresh("vqa", taken)),
        gqa=tuple(islice(_fresh("gqa", taken), GQA_IMAGES)),
        scienceqa=tuple(islice(_fresh("scienceqa", taken), SCIENCEQA_IMAGES)),
        mmbench=tuple(islice(_fresh("mmbench", taken), MMBENCH_IMAGES)),
        nocaps={
            domain: tuple(islice(_fresh(domain, taken, rare), NOCAPS_IMAGES))
            for domain, rare in (("in-domain", "never"), ("near-domain", "some"), ("out-domain", "all"))
        },
    )


def _fresh(name: str, taken: set[Hashable], rare: str = "never") -> Iterator[Scene]:
    """Scenes of seeds (name, 0), (name, 1), ...; one like a scene in `taken` is passed over, the others join it."""
    for i in count():
        scene = sample_scene(name, i, rare=rare)
        if content(scene) not in taken:
            taken.add(content(scene))
            yield scene


def _coco(scenes: Iterator[Scene]) -> tuple[Scene, ...]:
    """The first scenes: as many that have enough shapes for POPE as POPE has pictures, the rest with fewer."""
    room = {True: POPE_IMAGES, False: COCO_IMAGES - POPE_IMAGES}
    chosen: list[Scene] = []
    while any(room.values()):
        scene = next(scenes)
        enough = len(shapes(scene)) >= POPE_SHAPES
        if room[enough]:
            room[enough] -= 1
            chosen.append(scene)
    return tuple(chosen)
