"""The script on training speed: its rows are one and the same step, and packing computes no padding. No clocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch.utils.flop_counter import FlopCounterMode

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script as a module, on one thread."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    AcceleratorState._reset_state(reset_partial_state=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    import train_step

    yield train_step
    torch.set_num_threads(threads)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_steps_agree_with_the_peers(script: Any, capsys: pytest.CaptureFixture[str], precision: str) -> None:
    assert script.main(["--size", "tiny", "--rounds", "1", "--precision", precision]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (script.PEER, script.PACKED, "ours, padded rows, every logit"))


def test_another_step_is_found_out(
    script: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def also_unsupervised(self: Any, samples: Any) -> dict[str, torch.Tensor]:
        batch = plain(self, samples)
        return {**batch, "labels": batch["input_ids"]}

    plain = script.Peer.batch
    monkeypatch.setattr(script.Peer, "batch", also_unsupervised)
    assert script.main(["--size", "tiny", "--rounds", "1"]) == 1
    assert "ours, packed: its loss or gradient is" in capsys.readouterr().out


def test_matrix_products_grow_with_padding_in_the_peer_alone(script: Any) -> None:
    size = script.SIZES["tiny"]
    variants = script.build(size, size.stage(), Accelerator(cpu=True), compiled=False)
    grown = {}
    for name in (script.PEER, script.PACKED):
        counts = []
        for longest in (script.LONGEST[0], script.LONGEST[-1]):
            batch = variants[name].batch(script.uneven(size, longest))
            with FlopCounterMode(display=False) as counter:  # which leaves out the attention of a CPU
                variants[name].step(batch)
            counts.append(counter.get_total_flops())
        grown[name] = counts[1] / counts[0]
    assert grown[script.PACKED] == pytest.approx(1, abs=0.03)
    assert grown[script.PEER] > 1.5
