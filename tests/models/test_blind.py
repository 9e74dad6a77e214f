"""A model with the images withheld says what it says to text alone, whatever is in the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sqeval.config import RunConfig
from sqeval.data.images import ImageRef
from sqeval.errors import UserError
from sqeval.model import Group, Measured, Request, Settings
from sqeval.models.loading import load_model

Make = Callable[..., RunConfig]


def questions(image: ImageRef | None) -> Group:
    texts = ("what colour is the star?", "how many objects are there?")
    return Group(image, tuple(Request("t", text, text, Settings(max_new_tokens=5)) for text in texts))


@pytest.mark.parametrize("of", [None, "hf"])
def test_it_answers_as_to_text_alone(of: str | None, images: list[ImageRef], llava: Path, asking: Make) -> None:
    ckpt = "mini" if of is None else llava
    seeing = load_model(asking(ckpt, model=of))
    blind: Any = load_model(asking(ckpt, model="blind", model_args={} if of is None else {"of": of}))
    gone = replace(images[0], path=Path("gone.png"))  # never opened
    answers = list(blind.generate([questions(gone)]))
    assert answers == list(seeing.generate([questions(None)]))
    assert [done.text for done in answers] != [done.text for done in seeing.generate([questions(images[0])])]
    who, whole = blind.identity, seeing.identity
    assert (who.name, who.kind, who.sees_images) == (f"{whole.name}-blind", "blind", False)
    assert (who.checkpoint, who.checkpoint_hash) == (whole.checkpoint, whole.checkpoint_hash)
    assert who.details == {**whole.details, "of": whole.kind}
    assert isinstance(blind, Measured)
    assert blind.work().images_encoded == 0


@pytest.mark.parametrize(
    ("ckpt", "settings", "words"),
    [
        ("mini-blind", {}, "mini-blind sees no images anyway"),
        ("mini", {"model_args": {"of": "hff"}}, "--model hff: unknown; did you mean 'hf'"),
        ("mini", {"model_args": {"of": "blind"}}, "of=blind: expected a kind of model that looks at images"),
        ("mini", {"model_args": {"beams": "2"}}, "model sqllava has no setting beams"),
        (None, {}, "--model blind needs --ckpt"),
    ],
)
def test_bad_input_is_one_message(ckpt: str | None, settings: dict[str, Any], words: str, asking: Make) -> None:
    with pytest.raises(UserError, match=words):
        load_model(asking(ckpt, model="blind", **settings))
