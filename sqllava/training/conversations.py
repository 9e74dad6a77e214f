"""LLaVA-format conversations, read from files of any size one sample at a time."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from sqllava.conversation import IMAGE, Role, Turn
from sqllava.training.json_stream import TrainingDataError, records

__all__ = ["Conversation", "ConversationFile", "TrainingDataError", "read_json"]

_ROLES: tuple[dict[str, Role], dict[str, Role]] = ({"human": "user", "vuser": "vuser"}, {"gpt": "assistant"})
"""Who may speak at even and at odd places of a conversation."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One sample: the turns of a user and an assistant, in alternation, about an image or none."""

    id: str
    image: str | None
    """Path under the data root."""
    turns: tuple[Turn, ...]


def read_json(path: Path) -> list[Any]:
    """A JSON file that holds a list. Raises TrainingDataError."""
    if not path.is_file():
        raise TrainingDataError(f"{path} is missing; --set data=DIR names the folder that has the recipe's files")
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise TrainingDataError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(value, list):
        raise TrainingDataError(f"{path}: expected a list of samples, found {type(value).__name__}")
    return value


class ConversationFile(Sequence[Conversation]):
    """``{"id", "image"?, "conversations": [{"from": "human"|"vuser"|"gpt", "value"}, ...]}``, a list or JSON Lines.

    The file is read once from end to end: every sample is checked, and what is kept of it is where it stands. A sample
    is read from the file whenever it is asked for, so any number of processes may use the object at once.

    As in the release: ``<image>`` may stand anywhere in the first turn (the template puts it where it belongs), a
    leading turn of ``gpt`` is left out, and ``vuser`` is a user whose turn is always the model's own question.

    path    the file
    images  folder under the data root that the samples' image paths start from

    Raises TrainingDataError naming file, sample and field.
    """

    def __init__(self, path: Path, images: str = "") -> None:
        self.path, self.images = path, images.rstrip("/")
        offsets, sizes, lengths, modality = array("q"), array("q"), array("q"), bytearray()
        for record in records(path):
            try:
                sample = _conversation(record.value, self.images)
            except TrainingDataError as error:
                place = f"sample {record.number} (line {record.line})"
                raise TrainingDataError(f"{path}: {place}: {error}") from None
            offsets.append(record.offset)
            sizes.append(record.length)
            lengths.append(sum([len(turn.text) for turn in sample.turns]))
            modality.append(sample.image is not None)
        if not offsets:
            raise TrainingDataError(f"{path}: expected a list of samples, found none")
        self._offsets, self._sizes = np.array(offsets), np.array(sizes)
        self.has_image: NDArray[np.bool_] = np.frombuffer(bytes(modality), dtype=np.bool_)
        """(samples,)"""
        self.lengths: NDArray[np.int64] = np.array(lengths)
        """(samples,) characters in all turns together."""

    def __len__(self) -> int:
        return len(self._offsets)

    @overload
    def __getitem__(self, index: int) -> Conversation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Conversation]: ...
    def __getitem__(self, index: int | slice) -> Conversation | list[Conversation]:
        """Raises TrainingDataError if the file has changed since it was checked."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        offset, size = int(self._offsets[index]), int(self._sizes[index])
        try:
            with self.path.open("rb", buffering=0) as stream:
                stream.seek(offset)
                return _conversation(json.loads(stream.read(size)), self.images)
        except (OSError, ValueError, TrainingDataError) as error:
            raise TrainingDataError(f"{self.path}: sample {index} has changed since training began: {error}") from None

    def __iter__(self) -> Iterator[Conversation]:
        return (self[i] for i in range(len(self)))


def _conversation(value: Any, images: str) -> Conversation:
    if not isinstance(value, dict):
        raise TrainingDataError(f"expected an object with conversations, found {type(value).__name__}")
    image, given = value.get("image"), value.get("conversations")
    if image is not None:
        if not isinstance(image, str) or not image or image.startswith("/") or ".." in image.split("/"):
            raise TrainingDataError(f"image: expected a path inside the data root, found {repr(image)[:60]}")
        image = f"{images}/{image}" if images else image
    if not isinstance(given, list) or not given:
        raise TrainingDataError("conversations: expected a list of turns")
    skipped = len(given) > 1 and isinstance(given[0], dict) and given[0].get("from") == "gpt"
    turns = tuple([_turn(turn, i, skipped, image is not None) for i, turn in enumerate(given) if i >= skipped])
    return Conversation(str(value.get("id", "")), image, turns)


def _said_by(roles: Mapping[str, Any], turn: dict[str, Any]) -> bool:
    speaker = turn.get("from")
    return isinstance(speaker, str) and speaker in roles


def _turn(turn: Any, i: int, skipped: bool, with_image: bool) -> Turn:
    """The turn at place `i`; the first that counts stands at `skipped`."""
    roles = _ROLES[(i - skipped) % 2]
    if not isinstance(turn, dict) or not _said_by(roles, turn) or not isinstance(turn.get("value"), str):
        found = repr(turn.get("from") if isinstance(turn, dict) else turn)[:60]
        speakers = " or ".join(map(repr, roles))
        raise TrainingDataError(f"conversations[{i}]: expected a text `value` `from` {speakers}, found from {found}")
    text: str = turn["value"]
    if IMAGE in text and not with_image:
        if i == skipped and (text.strip().startswith(IMAGE) or text.strip().endswith(IMAGE)):
            raise TrainingDataError(f"conversations[{i}]: holds {IMAGE}, but the sample has no `image`")
        text = text.replace(IMAGE, "<image >")  # somebody's HTML: it must not become a picture's placeholder
    elif IMAGE in text:
        if i > skipped or text.count(IMAGE) > 1:
            raise TrainingDataError(f"conversations[{i}]: expected one {IMAGE}, in the first turn; it has one image")
        text = text.replace(IMAGE, "").strip()
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise TrainingDataError(f"conversations[{i}]: text that is not Unicode: {error.reason}") from None
    return Turn(roles[turn["from"]], text)
