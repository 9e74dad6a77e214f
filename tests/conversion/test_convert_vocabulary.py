"""``<image>`` joins the vocabulary, and nothing else changes: neither what text becomes nor what the model prefers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import release_layouts as release
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaTokenizer

import sqllava
from sqllava.conversation import TEMPLATES, Turn
from sqllava.conversion.convert import convert
from sqllava.conversion.vocabulary import grow, load_tokenizer, rows_needed

PROBES = ("USER: Is it?</s>USER: no  two", "\nWhat? ASSISTANT:", " x", "</s> VUSER: a</s>", "é € \t", "a<s>b")


def llama_folder(folder: Path, legacy: bool) -> Path:
    """A tokenizer of LLaMA's class, whose option `legacy` decides about spaces after special tokens."""
    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=False)
    backend.decoder = decoders.Metaspace()
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    backend.train_from_iterator([template.system for template in TEMPLATES.values()], trainer)
    model = release.json.loads(backend.to_str())["model"]
    tokenizer = LlamaTokenizer(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]], legacy=legacy)
    tokenizer.save_pretrained(folder)
    config = release.json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(release.json.dumps({**config, "legacy": legacy}))
    return folder


@pytest.mark.parametrize("legacy", [False, True])
def test_text_becomes_the_same_tokens_after_saving_and_loading(tmp_path: Path, legacy: bool) -> None:
    folder = llama_folder(tmp_path / "base", legacy)
    before: Any = AutoTokenizer.from_pretrained(folder)
    ours = load_tokenizer(folder)
    ours.save_pretrained(tmp_path / "saved")
    after: Any = AutoTokenizer.from_pretrained(tmp_path / "saved")
    for probe in PROBES:
        ids = before(probe, add_special_tokens=False)["input_ids"]
        assert ids == ours(probe, add_special_tokens=False)["input_ids"]
        assert ids == after(probe, add_special_tokens=False)["input_ids"]
        assert before.decode(ids) == after.decode(ids)
    assert len(ours) == len(before) + 1
    assert ours.convert_tokens_to_ids("<image>") == len(before)
    assert (after.bos_token_id, after.eos_token_id) == (before.bos_token_id, before.eos_token_id)


def test_prompts_of_a_converted_checkpoint(tmp_path: Path) -> None:
    """Pieces around the image are the base tokenizer's, one beginning-of-sequence token at the start."""
    parts = release.random_parts(lora=False)
    src, base = release.write_stage1(tmp_path / "src", parts), release.write_base(tmp_path / "base", parts)
    tower = release.write_tower(tmp_path / "tower", parts)
    _, processor = sqllava.load(convert(src, tmp_path / "out", base=base, vision_tower=tower), device="cpu")
    text = TEMPLATES["v1"].render([Turn("user", "A chat?")], image=True).text
    before, after = (
        AutoTokenizer.from_pretrained(base)(piece, add_special_tokens=False)["input_ids"]
        for piece in text.split("<image>")
    )
    assert processor.tokenize([text]) == [[1, *before, *[processor.image_token_id] * release.PATCHES, *after]]


@given(st.integers(0, 2**31), st.integers(2, 40), st.integers(1, 70), st.sampled_from([torch.float32, torch.float16]))
def test_added_rows_never_win(seed: int, old: int, new: int, dtype: torch.dtype) -> None:
    """Also where all logits are negative, as zero rows would."""
    generator = torch.Generator().manual_seed(seed)
    head = torch.randn(old, 8, generator=generator).to(dtype)
    hidden = torch.randn(16, 8, generator=generator)
    hidden = torch.cat([hidden, -head.float().mean(0, keepdim=True)])
    grown = grow(head, old + new)
    logits = hidden @ grown.float().T
    assert grown[:old].equal(head)
    torch.testing.assert_close(logits[:, :old], hidden @ head.float().T, atol=1e-5, rtol=1e-5)
    gap = logits[:, :old].max(1).values - logits[:, :old].mean(1)
    clear = gap > 1e-2  # else all old logits are equal, up to rounding
    assert (logits.argmax(1) < old)[clear].all()
    mass = logits.double().softmax(1)[:, old:]
    assert (mass <= 1.01 / old).all()


@given(st.integers(1, 70_000), st.integers(1, 70_000))
def test_rows(rows: int, tokens: int) -> None:
    needed = rows_needed(rows, tokens)
    assert needed >= tokens
    assert needed == rows or (needed % 64 == 0 and needed - tokens < 64)
    assert needed == rows or tokens > rows
