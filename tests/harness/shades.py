"""A whole benchmark for tests: is a picture darker than a limit?  Real files, real images, a corpus-level score."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from PIL import Image

from sqeval.data.entry import image_named
from sqeval.data.files import read_lines
from sqeval.data.root import DataRoot
from sqeval.metrics import means
from sqeval.model import Completion, Group, Identity, Request, Settings
from sqeval.records import Record
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score, Task, WantedFile

QUESTIONS_AN_IMAGE = 3


class Shades(Task):
    """Exact match; `rarity` of a response needs all responses, as captions' scores do."""

    name = "shades"
    version = "1"
    description = "is the picture darker than a limit"
    citation = "the tests"
    primary = "accuracy"
    files = (WantedFile("shades/questions.jsonl", "the tests"), WantedFile("shades/images/*.png", "the tests"))
    settings = Settings(max_new_tokens=4)

    def samples(self, root: DataRoot) -> list[Sample]:
        samples = []
        for entry in read_lines(root.file("shades/questions.jsonl")):
            image = image_named(root, "shades/images", entry, "image") if entry.value["image"] else None
            key, tags = entry.get("id", str), {"limit": entry.get("limit", str)}
            text, answer = entry.get("question", str), entry.get("answer", str)
            samples.append(Sample(key, image, text, answer, image.key if image else key, tags))
        return samples

    def prompt(self, sample: Sample) -> str:
        return f"{sample.question}\nAnswer yes or no."

    def gold(self, sample: Sample) -> str:
        return str(sample.reference)

    def score(self, response: str | None, sample: Sample) -> Score:
        parsed = response if response in ("yes", "no") else None
        return Score(parsed, {"accuracy": float(parsed == sample.reference)})

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        rarity = means(records, "rarity") if "rarity" in records[0].scores else []
        return [*means(records, "accuracy", ["limit"]), *rarity]

    def corpus_scores(self, records: Sequence[Record], samples: Sequence[Sample]) -> list[Mapping[str, float]]:
        counts = Counter(record.response for record in records)
        return [{"rarity": 1 - counts[record.response] / len(samples)} for record in records]

    def not_computed(self) -> Mapping[str, str]:
        return {"depth": "a ruler is missing"}

    def submission(self, records: Sequence[Record]) -> tuple[str, bytes]:
        return ".json", json.dumps({record.id: record.response for record in records}).encode()


class Tints(Shades):
    """The same questions under the same ids, about the same images, with longer answers."""

    name = "tints"
    settings = Settings(max_new_tokens=7)


class LooseShades(Shades):
    """Another protocol of the same benchmark: asked in other words, and read whatever the case."""

    protocol = "loose"
    differs: ClassVar[Mapping[str, str]] = {"prompt": "in other words", "generation": "drawn", "scorer": "in any case"}
    image_aspect_ratio = "crop"
    settings = Settings(max_new_tokens=4, temperature=0.2)

    def prompt(self, sample: Sample) -> str:
        return f"{sample.question}\nSay yes or no."

    def score(self, response: str | None, sample: Sample) -> Score:
        return super().score(None if response is None else response.lower(), sample)


class Looker:
    """Answers by looking at the pixels, images in reverse order; `before` is called ahead of every answer."""

    identity = Identity("looker", "looker", checkpoint="eyes", checkpoint_hash="1" * 64, details={"dtype": "uint8"})

    def __init__(self, before: Callable[[int], None] = lambda number: None) -> None:
        self._before = before
        self.asked: list[str] = []

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        for group in reversed(groups):
            for request in group.requests:
                self._before(len(self.asked))
                self.asked.append(request.id)
                yield self._answer(group, request)

    def _answer(self, group: Group, request: Request) -> Completion:
        key = (request.task, request.id)
        if group.image is None:
            return Completion(*key, "neither ü \u2028 \ud800", "length", tokens=4)
        try:
            shade = group.image.open().convert("L").getpixel((0, 0))
        except (OSError, ValueError) as error:
            return Completion(*key, "", "error", error=f"{group.image.key}: {error}")
        limit = int(request.prompt.split("?")[0].removeprefix("Is it darker than "))
        return Completion(*key, "yes" if isinstance(shade, int) and shade < limit else "no", tokens=1)


def write_data(root: Path, images: int = 8) -> Path:
    """Grey pictures with three questions each, asked picture by picture in turns, and one question without picture."""
    (root / "shades" / "images").mkdir(parents=True)
    shades = {f"{i}.png": 255 * i // images for i in range(images)}
    for name, shade in shades.items():
        Image.new("RGB", (9 + shade % 5, 8), (shade, shade, shade)).save(root / "shades" / "images" / name)
    lines: list[dict[str, object]] = []
    for turn in range(QUESTIONS_AN_IMAGE):
        limit = 64 * (turn + 1)
        for name, shade in shades.items():
            answer = "yes" if shade < limit else "no"
            lines.append({"id": f"{turn}-{name}", "image": name, "limit": str(limit), "answer": answer})
    lines.append({"id": "text", "image": None, "limit": "0", "answer": "no"})
    text = "".join(json.dumps({"question": f"Is it darker than {x['limit']}?", **x}) + "\n" for x in lines)
    (root / "shades" / "questions.jsonl").write_text(text, "utf-8")
    return root


def environment(site: Path) -> dict[str, str]:
    """For another process that is to find these benchmarks, and what this one imports."""
    path = [str(site), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), "TERM": "xterm", "COLUMNS": "120"}


def write_plugin(site: Path) -> Path:
    """A folder for the import path that installs these benchmarks as another distribution's plugins."""
    info = site / "shades-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shades\nVersion: 1\n", "utf-8")
    points = "[sqeval.tasks]\nshades = shades:Shades\ntints = shades:Tints\n"
    points += "[sqeval.tasks.loose]\nshades = shades:LooseShades\n"
    (info / "entry_points.txt").write_text(points, "utf-8")
    return site
