"""Token ids, image expansion, and which tokens carry the loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_sqllava as tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoProcessor

from sqllava import SqLlavaProcessor
from sqllava.conversation import TEMPLATES, Turn

BOS, EOS, IMAGE = 1, 2, 4
PROCESSOR = tiny.processor()

speech = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).filter(
    lambda text: not any(special in text for special in ("<image>", "<s>", "</s>", "<pad>", "<unk>"))
)


@given(st.lists(st.tuples(st.booleans(), speech, speech), min_size=1, max_size=4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_supervised_tokens_are_the_supervised_text(pairs: list[tuple[bool, str, str]], image: bool) -> None:
    turns: list[Turn] = []
    for asked, question, answer in pairs:
        turns += [Turn("vuser" if asked and turns else "user", question), Turn("assistant", answer)]
    rendered = TEMPLATES["v1_sq"].render(turns, image=image)
    ids, speakers = PROCESSOR.encode(rendered)
    tokenizer = PROCESSOR.tokenizer
    learnt = tokenizer.decode([token for token, kept in zip(ids, speakers, strict=True) if kept])
    assert learnt == "".join(rendered.text[a:b] for a, b in rendered.spans)
    asked = tokenizer.decode([token for token, role in zip(ids, speakers, strict=True) if role == "vuser"])
    assert asked == "".join(f" {turn.text}</s>" for turn in turns if turn.role == "vuser")
    assert ids[0] == BOS
    assert ids.count(BOS) == 1
    assert ids.count(IMAGE) == (9 if image else 0)
    assert not any(kept for token, kept in zip(ids, speakers, strict=True) if token in (BOS, IMAGE))
    assert sum(token == EOS and kept is not None for token, kept in zip(ids, speakers, strict=True)) == len(
        rendered.spans
    )
    assert tokenizer.decode([t for t in ids[1:] if t != IMAGE]) == rendered.text.replace("<image>", "")


def test_a_prompt_is_the_beginning_of_its_conversation() -> None:
    turns = [Turn("user", "Is it red?"), Turn("assistant", "yes")]
    (prompt,) = PROCESSOR.tokenize([TEMPLATES["v1"].prompt(turns[:1], image=True)])
    ids, speakers = PROCESSOR.encode(TEMPLATES["v1"].render(turns, image=True))
    assert ids[: len(prompt)] == prompt
    assert speakers == [None] * len(prompt) + ["assistant"] * (len(ids) - len(prompt))


def test_the_caption_of_plain_is_supervised_from_its_first_letter() -> None:
    rendered = TEMPLATES["plain"].render([Turn("assistant", "a cat")], image=True)
    ids, speakers = PROCESSOR.encode(rendered)
    assert ids[:10] == [BOS] + [IMAGE] * 9
    assert speakers == [None] * 10 + ["assistant"] * (len(ids) - 10)
    assert PROCESSOR.tokenizer.decode(ids[10:]) == "a cat\n"


@pytest.mark.parametrize("side", ["left", "right"])
def test_batches_are_padded_and_masked(side: str) -> None:
    texts = ["Is it <image>\nred?", "no", "a<image>b"]
    batch = PROCESSOR(texts, [Image.new("RGB", (30, 20)), Image.new("RGB", (9, 9))], padding=side)
    assert batch["pixel_values"].shape == (2, 3, 24, 24)
    assert batch["input_ids"].shape == batch["attention_mask"].shape
    for text, ids, mask in zip(texts, batch["input_ids"], batch["attention_mask"], strict=True):
        (alone,) = PROCESSOR.tokenize([text])
        assert ids[mask.bool()].tolist() == alone
        kept = mask.tolist()
        assert kept == sorted(kept, reverse=side == "right")


def test_text_only_batches_have_no_pixels() -> None:
    assert set(PROCESSOR("hello")) == {"input_ids", "attention_mask"}


@pytest.mark.parametrize(("text", "images"), [("no place", 1), ("<image><image>", 1), ("<image>", 0)])
def test_images_must_match_their_placeholders(text: str, images: int) -> None:
    with pytest.raises(ValueError, match="<image> but there are"):
        PROCESSOR(text, [Image.new("RGB", (8, 8))] * images)


@pytest.mark.parametrize("bad", [{"padding": True}, {"return_tensors": "np"}])
def test_other_forms_of_output_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="pads left or right and returns pt"):
        PROCESSOR("hello", **bad)


def test_saved_and_loaded(tmp_path: Path) -> None:
    PROCESSOR.save_pretrained(tmp_path)
    for loaded in (SqLlavaProcessor.from_pretrained(tmp_path), AutoProcessor.from_pretrained(tmp_path)):
        assert isinstance(loaded, SqLlavaProcessor)
        assert loaded.image_seq_length == 9
        text, image = "USER: <image>\nIs it red? ASSISTANT:", Image.new("RGB", (30, 20), "red")
        for key, value in PROCESSOR(text, image).items():
            torch.testing.assert_close(loaded(text, image)[key], value)


def test_a_tokenizer_without_the_image_token_is_refused() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    bare = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0, "?": 1}, unk_token="?")))
    with pytest.raises(ValueError, match="no token <image>"):
        SqLlavaProcessor.for_config(tiny.config(), bare)
