"""What is asked, in which groups, and the hash that tells whether an answer is still the one to keep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from sqeval.model import Group, Identity, Request
from sqeval.protocol import marked

if TYPE_CHECKING:
    from sqeval.data.images import ImageRef
    from sqeval.task import Sample, Task


@dataclass(slots=True)  # not frozen, which makes making one four times as slow; none is ever changed
class Question:
    """A sample with what is asked about it."""

    sample: Sample
    prompt: str
    """The user's turn."""
    hash: str
    """SHA-256 of all that determines the answer."""


def select(samples: Sequence[Sample], limit: int | None, seed: int) -> list[Sample]:
    """Whole clusters (images, as a rule), drawn by `seed` until they hold at least `limit` samples, in data order.

    The draw looks at the cluster's name and the seed alone, so every model gets the same samples, a larger limit
    contains the smaller one, and tasks about the same images tend to share them.
    """
    if limit is None or limit >= len(samples):
        return list(samples)
    sizes: dict[str, int] = {}
    for sample in samples:
        sizes[sample.cluster] = sizes.get(sample.cluster, 0) + 1
    chosen: set[str] = set()
    total = 0
    for cluster in sorted(sizes, key=lambda name: digest(seed, name)):
        if total >= limit:
            break
        chosen.add(cluster)
        total += sizes[cluster]
    return [sample for sample in samples if sample.cluster in chosen]


def questions(task: Task, samples: Iterable[Sample], who: Identity, *, answered: bool = False) -> list[Question]:
    """The samples as `task` asks them and `who` answers them.

    answered: the answers exist already, as files do. Those files, which `who` is, then determine them all: one hash
    serves all questions, and images need not exist.
    """
    how = digest([who.kind, who.checkpoint_hash or who.checkpoint, who.details], _settings(task))
    if answered:
        return [Question(sample, task.prompt(sample), how) for sample in samples]
    known: dict[str, tuple[str, int | None]] = {}
    asked = []
    for sample in samples:
        image, prompt, seen = sample.image, task.prompt(sample), None
        if image is not None:
            seen = known.get(image.key)
            if seen is None:
                seen = known[image.key] = image.key, _bytes(image)
        # What `digest(how, sample.id, seen, prompt)` makes: there are hundreds of thousands.
        content = _texts((how, sample.id, seen, prompt))
        asked.append(Question(sample, prompt, hashlib.sha256(content).hexdigest()))
    return asked


def groups(asked: Iterable[tuple[Task, Iterable[Question]]]) -> list[Group]:
    """One group an image with all questions that any task has about it, in order of first use; text-only questions
    stand alone.

    Images are one if they are the same file or the same bytes under the same key: a key alone is as unique as the
    tasks' authors made it.
    """
    by_image: dict[ImageRef | tuple[str, str], tuple[ImageRef | None, list[Request]]] = {}
    for task, its_questions in asked:
        for question in its_questions:
            sample = question.sample
            key = (task.name, sample.id) if sample.image is None else sample.image
            _, requests = by_image.setdefault(key, (sample.image, []))
            requests.append(Request(task.name, sample.id, question.prompt, task.settings))
    return [Group(image, tuple(requests)) for image, requests in by_image.values()]


def prompts_hash(task: Task, samples: Sequence[Sample], made: Sequence[Question] = (), asked: str | None = None) -> str:
    """SHA-256 of how the task asks all its samples, whoever is asked.

    asked: the protocol by which the responses were asked for instead.

    Of all samples, not of those that ``--limit`` chose: runs with different limits can be compared on what they share.
    The prompts of those that were `made` are not made again, if all were.
    """
    first = made[: len(samples)]  # repeated questions come after all
    if [question.sample for question in first] == samples:
        listed = [(question.sample.id, question.prompt) for question in first]
    else:
        listed = [(sample.id, task.prompt(sample)) for sample in samples]
    how = [*marked(task.protocol), *([] if asked is None else [f"asked as {asked}"])]
    # What `digest(listed, settings, ...)` makes, in parts: `listed` may be hundreds of thousands.
    content = hashlib.sha256(b"[" + _texts(listed))
    for part in (_settings(task, seed=False), *how):
        content.update(b"," + _encode(part).encode())
    content.update(b"]")
    return content.hexdigest()


def _settings(task: Task, *, seed: bool = True) -> dict[str, Any]:
    """The seed counts where answers are drawn, and not as a way to ask: runs with different ones can be compared."""
    values = asdict(task.settings)
    if not (seed and values["temperature"]):
        del values["seed"]
    return values


def digest(*parts: Any) -> str:
    """SHA-256 of JSON-able values; the order of keys in objects does not matter."""
    return hashlib.sha256(_encode(parts).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON-able")


def _bytes(image: ImageRef) -> int | None:
    """Size of the image file: an image that was replaced or repaired is asked about again."""
    if image.path is None:
        return None if image.data is None else len(image.data)
    try:
        return image.path.stat().st_size
    except OSError:
        return None


def _texts(value: Any) -> bytes:
    """What `_encode` makes of lists of texts and whole numbers. msgspec writes the same in a third of the time where no
    character needs its number."""
    try:
        content = _fast(value)
    except UnicodeEncodeError:  # half a surrogate pair
        return _encode(value).encode()
    return content if content.isascii() and b"\x7f" not in content else _encode(value).encode()


_fast = msgspec.json.Encoder().encode
_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=_plain).encode
