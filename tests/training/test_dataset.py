"""Training steps: what the processes share, what is left out, and that nothing depends on who reads when."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_sqllava as tiny
import torch
from PIL import Image
from torch import Tensor

from sqllava.conversation import template
from sqllava.errors import SqLlavaError
from sqllava.training.conversations import ConversationFile, TrainingDataError
from sqllava.training.dataset import Step, StepDataset, loader
from sqllava.training.drawing import Mixture, StepPlan
from sqllava.training.encode import Encoder
from sqllava.training.pictures import PictureReader
from sqllava.training.recipe import Stage

PROCESSOR = tiny.processor()
SAMPLES = 60


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """60 conversations of different lengths, a quarter without an image; every image is a JPEG of its own."""
    rows = []
    for i in range(SAMPLES):
        turns = [
            {"from": ("human", "gpt")[k % 2], "value": f"{i}: {'word ' * (i * k % 9)}"} for k in range(2 + i % 3 * 2)
        ]
        rows.append({"id": f"s{i}", "conversations": turns, **({"image": f"{i}.jpg"} if i % 4 else {})})
        pixels = np.random.default_rng(i).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.jpg")
    (tmp_path / "train.json").write_text(json.dumps(rows), encoding="utf-8")
    return tmp_path


def dataset(
    root: Path, rank: int = 0, processes: int = 1, *, sees: bool = True,
    extras: Callable[[list[str]], dict[str, Tensor]] | None = None, **settings: Any,
) -> StepDataset:  # fmt: skip
    stage = Stage(
        **{
            "name": "s", "kind": "conversations", "data": "train.json", "batch_size": 8, "epochs": 1,
            "trained": {"projector": {"learning_rate": 1e-3}}, **settings,
        }
    )  # fmt: skip
    mixture = Mixture([ConversationFile(root / "train.json")], [1])
    encoder = Encoder(
        PROCESSOR, template("v1_sq"), sq_r=0.5, evaluation=template("v1"), evaluation_share=0.0, sees_images=sees,
        seed=0, max_length=stage.max_length,
    )  # fmt: skip
    pictures = PictureReader(root, PROCESSOR) if sees else None
    return StepDataset(StepPlan(mixture, stage, 0), mixture, encoder, pictures, stage, rank, processes, extras=extras)


def rows(batch: dict[str, Tensor]) -> list[tuple[int, ...]]:
    """The samples of a micro-batch as token ids, without padding."""
    if "lengths" in batch:
        return [tuple(row.tolist()) for row in batch["input_ids"][0].split(batch["lengths"].tolist())]
    pad = PROCESSOR.pad_id
    return [tuple(token for token in row if token != pad) for row in batch["input_ids"].tolist()]


def contents(step: Step) -> list[tuple[int, ...]]:
    return sorted(row for batch in step.micro_batches for row in rows(batch))


def same(first: Step, second: Step) -> bool:
    return (first.epoch, first.bad, len(first.micro_batches)) == (
        second.epoch,
        second.bad,
        len(second.micro_batches),
    ) and all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
        for a, b in zip(first.micro_batches, second.micro_batches, strict=True)
    )


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize(("processes", "micro"), [(1, None), (1, 2), (2, None), (2, 2), (4, 1), (8, 1)])
def test_the_shares_of_all_processes_are_the_batch(
    root: Path, processes: int, micro: int | None, grouped: bool
) -> None:
    alone = dataset(root, group_by_length=grouped)
    shares = [dataset(root, r, processes, micro_batch_size=micro, group_by_length=grouped) for r in range(processes)]
    assert {len(share) for share in shares} == {len(alone)}
    for step in range(len(alone)):
        parts = [share[step] for share in shares]
        assert sorted(row for part in parts for row in contents(part)) == contents(alone[step])
        size = micro or 8 // processes
        assert {len(part.micro_batches) for part in parts} == {8 // processes // size}
        assert {len(rows(batch)) for part in parts for batch in part.micro_batches} == {size}


def test_processes_compute_about_the_same_number_of_tokens(root: Path) -> None:
    shares = [dataset(root, rank, 2, group_by_length=False, batch_size=20) for rank in (0, 1)]
    for step in range(len(shares[0])):
        first, second = (share[step].micro_batches[0]["input_ids"].numel() for share in shares)
        assert abs(first - second) < 0.1 * (first + second)


def test_packed_and_padded_steps_hold_the_same(root: Path) -> None:
    packed, padded = dataset(root, packing=True), dataset(root, packing=False)
    for step in range(len(packed)):
        (one,), (other,) = packed[step].micro_batches, padded[step].micro_batches
        assert rows(one) == rows(other)
        assert one["kinds"].sum() == other["kinds"].sum() > 0
        assert ("pixel_values" in one) == ("pixel_values" in other)
        if "pixel_values" in one:
            assert torch.equal(one["pixel_values"], other["pixel_values"])


def test_pictures_stand_in_the_order_of_their_placeholders(root: Path) -> None:
    steps = dataset(root, micro_batch_size=4, group_by_length=False)
    tokenizer, reader = tiny.tokenizer(), PictureReader(root, PROCESSOR)
    for step in range(len(steps)):
        for batch in steps[step].micro_batches:
            # A sample's first turn begins with its number, which is also its picture's.
            texts = [tokenizer.decode(row) for row in rows(batch) if PROCESSOR.image_token_id in row]
            numbers = [text.split("USER: ")[1].replace("<image>", "").split(":")[0].strip() for text in texts]
            expected = [reader.read(f"{number}.jpg") for number in numbers]
            assert (
                torch.equal(batch["pixel_values"], torch.stack(expected)) if expected else "pixel_values" not in batch
            )


def test_extras_are_made_from_the_names_of_the_pictures(root: Path) -> None:
    asked: list[list[str]] = []

    def extras(names: list[str]) -> dict[str, Tensor]:
        asked.append(names)
        return {"words": torch.tensor([int(name.removesuffix(".jpg")) for name in names])}

    steps = dataset(root, extras=extras)
    for step in range(len(steps)):
        asked.clear()
        (batch,) = steps[step].micro_batches
        assert ("words" in batch) == ("pixel_values" in batch) == bool(asked)
        if asked:
            assert len(batch["words"]) == len(batch["pixel_values"])
    assert all("words" not in batch for batch in dataset(root, sees=False, extras=extras)[0].micro_batches)


def test_a_blind_model_opens_no_pictures(root: Path) -> None:
    for file in root.glob("*.jpg"):
        file.unlink()
    steps = dataset(root, sees=False)
    for step in range(len(steps)):
        assert "pixel_values" not in steps[step].micro_batches[0]
        assert steps[step].bad == []


def damage(root: Path, names: dict[str, str]) -> None:
    for name, how in names.items():
        path = root / name
        data = path.read_bytes()
        path.unlink()
        if how != "missing":
            path.write_bytes(data[: len(data) // 2] if how == "truncated" else b"")


@pytest.mark.parametrize("packing", [True, False])
def test_samples_with_broken_pictures_are_left_out_and_named(root: Path, packing: bool) -> None:
    whole = dataset(root, packing=packing, batch_size=5)  # divides both modalities: every sample is read
    before = [whole[step] for step in range(len(whole))]
    damage(root, {"1.jpg": "missing", "2.jpg": "truncated", "3.jpg": "empty"})
    broken = dataset(root, packing=packing, batch_size=5)
    messages = []
    for step, was in enumerate(before):
        now = broken[step]
        messages += now.bad
        assert len(contents(now)) == len(contents(was)) - len(now.bad)
        assert set(contents(now)) <= set(contents(was))
        for batch in now.micro_batches:
            places = int((batch["input_ids"] == PROCESSOR.image_token_id).sum())
            assert places == 9 * len(batch.get("pixel_values", ()))
    assert len(messages) == 3
    for number, reason in ((1, "No such file"), (2, "truncated"), (3, "cannot identify")):
        (message,) = (m for m in messages if f"sample {number} " in m)
        assert f"train.json: sample {number} (id 's{number}'): image {root / f'{number}.jpg'}" in message
        assert reason in message


def test_a_micro_batch_without_a_sample_left_is_one_padding_token(root: Path) -> None:
    damage(root, {f"{i}.jpg": "missing" for i in range(SAMPLES)})
    steps = dataset(root, micro_batch_size=4)
    emptied = 0
    for step in range(len(steps)):
        assert len(steps[step].micro_batches) == 2
        for batch in steps[step].micro_batches:
            assert "pixel_values" not in batch
            emptied += batch["input_ids"].tolist() == [[PROCESSOR.pad_id]] and not batch["kinds"].any()
        assert len(steps[step].bad) in (0, 8)
    assert emptied == 2 * sum(bool(steps[step].bad) for step in range(len(steps))) > 0


def test_a_batch_that_cannot_be_split_evenly_is_an_error(root: Path) -> None:
    with pytest.raises(SqLlavaError, match=r"stage s: batch_size 8 cannot be split among 3 processes"):
        dataset(root, 0, 3)
    with pytest.raises(SqLlavaError, match="micro-batches of 4; choose a multiple of 16"):
        dataset(root, 0, 4, micro_batch_size=4)
    with pytest.raises(SqLlavaError, match="among 16 processes"):
        dataset(root, 0, 16)


def test_pictures_are_needed_by_models_that_see_and_by_no_others(root: Path) -> None:
    made = dataset(root)
    stage = Stage(
        name="s", kind="conversations", data="x", batch_size=8, steps=1, trained={"projector": {"learning_rate": 1}}
    )
    with pytest.raises(ValueError, match="models that see images"):
        StepDataset(made.plan, made.mixture, made.encoder, None, stage)


@pytest.fixture
def long(root: Path) -> StepDataset:
    """More steps than the workers fetch ahead, over several epochs, with a broken picture."""
    damage(root, {"5.jpg": "truncated"})
    return dataset(root, steps=19, epochs=None, micro_batch_size=4)


def test_workers_and_the_start_change_nothing(long: StepDataset) -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    alone = list(loader(long))
    assert len(alone) == 19
    assert [step.epoch for step in alone] == sorted(step.epoch for step in alone)
    assert alone[-1].epoch > 0
    assert any(step.bad for step in alone)
    for start, workers in ((0, 2), (13, 0), (13, 1)):
        again = list(loader(long, start, workers))
        assert len(again) == 19 - start
        assert all(same(*pair) for pair in zip(alone[start:], again, strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    assert list(loader(long, 19)) == []


def test_stopping_early_leaves_no_workers(long: StepDataset) -> None:
    import multiprocessing

    steps = loader(long, 0, 2)
    next(steps)
    assert len(multiprocessing.active_children()) == 2
    steps.close()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_arrive_in_one_line(root: Path, workers: int) -> None:
    steps = dataset(root)
    (root / "train.json").write_text("[]", encoding="utf-8")
    with pytest.raises(TrainingDataError, match=r"sample \d+ has changed since training began") as caught:
        list(loader(steps, 0, workers))
    assert "\n" not in str(caught.value)
