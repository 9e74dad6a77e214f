"""Light meter: measures both halves of the picture, and says which one is brighter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from PIL import Image

from sqeval.config import RunConfig
from sqeval.model import Completion, Group, Identity, Model
from sqeval.models.kinds import ModelKind, Note


class LightMeter:
    def __init__(self, channel: str) -> None:
        self.identity = Identity("lightmeter", "lightmeter", details={"channel": channel})
        self._channel = channel

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        for group in groups:
            try:
                image = group.image.open() if group.image else None
            except (OSError, ValueError) as error:  # never an empty answer
                yield from (Completion(r.task, r.id, "", "error", error=str(error)) for r in group.requests)
                continue
            for request in group.requests:
                text = "I see nothing." if image is None else self._brighter(image, request.prompt)
                yield Completion(request.task, request.id, text, tokens=1)

    def _brighter(self, image: Image.Image, prompt: str) -> str:
        light = image.convert("L") if self._channel == "all" else image.getchannel(self._channel)
        one, other, size = ("left", "right", (2, 1)) if "left" in prompt else ("top", "bottom", (1, 2))
        first, second = light.resize(size, Image.Resampling.BOX).tobytes()
        return one if first > second else other


def _load(config: RunConfig, note: Note) -> Model:
    return LightMeter(config.model_args.get("channel", "all"))


KIND = ModelKind("measures light", _load, args={"channel": "R, G or B alone; all of them unless set"})
