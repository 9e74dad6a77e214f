"""A whole campaign of asking: many images, some temperatures, one file that survives being killed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqeval.atomic import drop_torn_line
from sqeval.data.files import read_csv, read_lines
from sqeval.data.images import ImageRef
from sqeval.data.text import is_file, read_text, show
from sqeval.errors import DataError, UserError
from sqeval.lock import locked_file
from sqeval.model import Model
from sqeval.progress import Progress, Silent
from sqeval.questions.asking import Asker, How
from sqeval.questions.files import ImageQuestions, encoded, read_questions, write_questions
from sqeval.rundir import Appender

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
IMAGES_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Condition:
    """One way of asking, with its name."""

    run_id: str
    how: How


def find_images(where: Path) -> list[ImageRef]:
    """The images of a folder (with its folders), or of a manifest: CSV or JSON Lines with an ``image`` field, or a path
    a line; sorted by name. Paths in a manifest are relative to it.

    Raises UserError if there are none, DataError for a manifest that names no files.
    """
    if where.is_dir():
        paths = [path for path in where.rglob("*") if path.suffix.lower() in SUFFIXES]
        found = {path.relative_to(where).as_posix(): path for path in paths}
    elif where.is_file():
        found = {name: where.parent / name for name in _manifest(where)}
        lost = [name for name, path in found.items() if not is_file(path)]
        if lost:
            raise DataError(f"{len(lost)} images are missing, the first is {show(lost[0])}", file=where)
    else:
        raise UserError(f"--images {where}: no such folder or file; give images, or a manifest that names them")
    if not found:
        raise UserError(f"--images {where}: no image here ({', '.join(SUFFIXES)}); give another folder, or a manifest")
    return [ImageRef(name, found[name]) for name in sorted(found)]


def conditions(name: str, how: How, temperatures: Sequence[float]) -> list[Condition]:
    """One condition a temperature, or a single one that goes by the protocol."""
    if not temperatures:
        return [Condition(name, how)]
    return [Condition(f"{name}-t{t:g}", replace(how, temperature=t)) for t in temperatures]


def ask_all(
    model: Model,
    asker: Asker,
    images: Sequence[ImageRef],
    wanted: Sequence[Condition],
    out: Path,
    *,
    fresh: bool = False,
    progress: Progress | None = None,
) -> list[ImageQuestions]:
    """Ask about every image under every condition and write `out`; batches of images that it holds already are kept.

    A batch is asked as a whole, again if need be: what is computed together decides the last digits of probabilities.

    Lines are appended as images are done, and stand in the order of conditions and images at the end. An image that
    cannot be read is a line without questions and with an ``error``; it is asked about again next time. Raises
    UserError if `out` holds other conditions, or if another process writes it.
    """
    progress = progress or Silent()
    with locked_file(out):
        gens = {condition.run_id: dict(asker.asking(condition.how)) for condition in wanted}
        batches = [images[start : start + IMAGES_AT_ONCE] for start in range(0, len(images), IMAGES_AT_ONCE)]
        kept = {} if fresh else _whole(_kept(out, model, gens), batches, wanted)
        write_questions(out, kept.values())  # without a torn line, and without failures
        total = len(images) * len(wanted)
        with progress.tasks({"images": (total, len(kept))}) as bars, closing(Appender(out)) as appender:
            for condition in wanted:
                todo = [batch for batch in batches if (condition.run_id, batch[0].key) not in kept]
                for line in _asked(model, asker, todo, condition, gens[condition.run_id]):
                    kept[line.run_id, line.image_id] = line
                    appender.write(encoded(line))
                    bars["images"].advance(failed="error" in line.extra)
        order = [(condition.run_id, image.key) for condition in wanted for image in images]
        finished = [kept[key] for key in order]
        write_questions(out, finished)
    return finished


def _whole(
    kept: Mapping[tuple[str, str], ImageQuestions],
    batches: Sequence[Sequence[ImageRef]],
    wanted: Sequence[Condition],
) -> dict[tuple[str, str], ImageQuestions]:
    """What is kept of batches that are kept in full."""
    keys = [[(condition.run_id, image.key) for image in batch] for condition in wanted for batch in batches]
    return {key: kept[key] for batch in keys if all(key in kept for key in batch) for key in batch}


def _asked(
    model: Model, asker: Asker, batches: Sequence[Sequence[ImageRef]], condition: Condition, gen: Mapping[str, Any]
) -> Iterator[ImageQuestions]:
    who = {"name": model.identity.name, "family": model.identity.kind, "revision": model.identity.checkpoint_hash}
    for images in batches:
        batch = {image.key: image for image in images}
        for said in asker.ask(list(batch.values()), condition.how):
            prefix = f"{condition.run_id}/{said.key}"
            yield ImageQuestions(
                condition.run_id,
                said.key,
                tuple(replace(asked, qid=f"{prefix}/{i}") for i, asked in enumerate(said.questions)),
                {key: value for key, value in who.items() if value is not None},
                gen,
                image=str(batch[said.key].path),
                preface=said.preface,
                extra={} if said.error is None else {"error": said.error},
            )


def _kept(out: Path, model: Model, gens: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], ImageQuestions]:
    """What the file holds already. Raises UserError for what another command wrote."""
    found: dict[tuple[str, str], ImageQuestions] = {}
    if not drop_torn_line(out):
        return found
    for line in read_questions(out):
        if "error" in line.extra:
            continue
        if line.run_id not in gens:
            raise UserError(f"{out} holds questions of another run, {line.run_id!r}; --fresh starts over")
        if dict(line.gen) != json.loads(json.dumps(gens[line.run_id])):
            there, here = dict(line.gen), gens[line.run_id]
            differing = sorted(k for k in {*there, *here} if there.get(k) != here.get(k))
            raise UserError(f"{out} was asked for with other settings ({', '.join(differing)}); --fresh starts over")
        if line.model.get("revision") != model.identity.checkpoint_hash:
            raise UserError(f"{out} holds questions of another checkpoint; --fresh starts over")
        found[line.run_id, line.image_id] = line
    return found


def _manifest(path: Path) -> list[str]:
    text = read_text(path)
    if not text.strip():
        raise DataError("expected names of images, found none", file=path)
    if text.lstrip().startswith("{"):
        return [entry.get("image", str) for entry in read_lines(path)]
    if path.suffix.lower() == ".csv":
        return [entry.get("image", str) for entry in read_csv(path)]
    return [line.strip() for line in text.split("\n") if line.strip()]
