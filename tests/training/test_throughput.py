"""Counted FLOPs against PyTorch's own counter; what the meter reports against what it was given."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import tiny_sqllava as tiny
import torch
from accelerate import Accelerator
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPVisionConfig

from sqllava import SqLlavaConfig
from sqllava.training import throughput
from sqllava.training.collate import collate
from sqllava.training.dataset import Step
from sqllava.training.encode import Encoded
from sqllava.training.features import tower_features
from sqllava.training.flops import step_flops
from sqllava.training.lora import prepare_parts
from sqllava.training.recipe import Lora, Part, Trained
from sqllava.training.throughput import Meter, contents, peak_flops

FULL = Trained(learning_rate=1e-3)
ADAPTED = Trained(learning_rate=1e-3, lora=Lora(r=3, alpha=6))

CASES: dict[str, dict[Part, Trained]] = {
    "forward only": {},
    "projector": {"projector": FULL},
    "release, stage 1": {"projector": FULL, "vision_tower": ADAPTED},
    "release, stage 2": {"projector": FULL, "vision_tower": ADAPTED, "language_model": ADAPTED},
    "mini, stage 2": {"projector": FULL, "vision_tower": ADAPTED, "language_model": FULL},
    "everything": {"projector": FULL, "vision_tower": FULL, "language_model": FULL},
    "adapters of the language model": {"language_model": ADAPTED},
    "language model": {"language_model": FULL},
    "vision tower": {"vision_tower": FULL},
}


def counted(config: SqLlavaConfig, trained: dict[Part, Trained], lengths: list[int], images: int, tail: int) -> float:
    """FLOPs that PyTorch's counter sees when each sample is a row of its own and its last `tail` tokens are predicted.

    The counter takes attention for a full square; the upper triangle, which nobody needs, is subtracted.
    """
    torch.manual_seed(0)
    model = tiny.model(
        **{key: getattr(config, key) for key in ("vision_config", "projector_type", "vision_feature_layer")}
    )
    model.set_attn_implementation("eager")
    prepare_parts(model, trained)
    side = config.vision_config.image_size
    with FlopCounterMode(display=False) as counter:
        loss = torch.zeros(())
        for number, length in enumerate(lengths):
            embeddings = model.get_input_embeddings()(torch.randint(5, 300, (1, length)))
            if number < images:
                features = tower_features(model, torch.randn(1, 3, side, side))
                image = model.model.multi_modal_projector(features)
                embeddings = torch.cat([embeddings[:, : -image.shape[1]], image], dim=1)
            hidden = model.model.language_model(inputs_embeds=embeddings, use_cache=False).last_hidden_state
            loss = loss + model.lm_head(hidden[0, -tail:]).sum()
        if trained:
            loss.backward()
    text = config.text_config
    passes = 1 + 2 * (bool(set(trained) - {"vision_tower", "projector"}) or (bool(trained) and images > 0))
    triangles = sum(length**2 - length * (length + 1) / 2 for length in lengths)
    return counter.get_total_flops() - 2 * 2 * passes * text.num_hidden_layers * text.hidden_size * triangles


@pytest.mark.parametrize("projector", ["cluster", "mlp2x_gelu"])
@pytest.mark.parametrize("case", CASES)
def test_flops_are_those_that_pytorch_counts(case: str, projector: str) -> None:
    config = tiny.config(projector_type=projector, vision_feature_layer=-1)
    lengths = [17, 23]
    expected = counted(config, CASES[case], lengths, images=2, tail=6)
    assert step_flops(config, lengths, 2, 12, CASES[case]) == pytest.approx(expected, rel=1e-9)


def test_text_alone_wants_no_gradient_for_its_embeddings() -> None:
    """With adapters only and no image, nothing in front of the language model learns."""
    config = tiny.config(vision_feature_layer=-1)
    trained = CASES["release, stage 2"]
    assert step_flops(config, [19], 0, 6, trained) == counted(config, {"language_model": ADAPTED}, [19], 0, tail=6)


def test_layers_of_the_tower_that_nobody_reads_cost_nothing() -> None:
    def vision(layers: int) -> CLIPVisionConfig:
        shape = {
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_attention_heads": 2,
            "image_size": 24,
            "patch_size": 8,
        }
        return CLIPVisionConfig(num_hidden_layers=layers, **shape)

    work = ([17], 1, 5, CASES["release, stage 2"])
    last = step_flops(tiny.config(vision_config=vision(2), vision_feature_layer=-1), *work)
    for layers, read in ((3, -2), (4, 2)):
        assert step_flops(tiny.config(vision_config=vision(layers), vision_feature_layer=read), *work) == last


def test_without_tokens_the_tower_runs_alone() -> None:
    config = tiny.config(vision_feature_layer=-1)
    torch.manual_seed(0)
    model = tiny.model(vision_feature_layer=-1)
    model.set_attn_implementation("eager")
    prepare_parts(model, {"vision_tower": FULL})
    with FlopCounterMode(display=False) as counter:
        tower_features(model, torch.randn(4, 3, 24, 24)).sum().backward()
    assert step_flops(config, [], 4, 0, {"vision_tower": FULL}) == counter.get_total_flops()


def test_llama_7b_costs_six_operations_a_weight_and_token() -> None:
    """The rule of thumb for training a language model in full; the vocabulary's input side costs nothing."""
    from transformers import LlamaConfig

    config = tiny.config(text_config=LlamaConfig(vocab_size=32000))  # transformers' defaults are LLaMA-7B's shape
    weights = 6_738_415_616 - 32000 * 4096
    assert step_flops(config, [1] * 100, 0, 100, {"language_model": FULL}) == pytest.approx(6 * weights * 100, rel=1e-3)


SAMPLES = [
    Encoded([5, 6, 3, 8, 2], [0, 0, 0, 1, 1], None),  # holds the padding token inside
    Encoded([5, 9, 2], [0, 2, 1], None),
    Encoded([7, 7, 7, 7, 7, 7, 7, 2], [1, 0, 0, 0, 1, 1, 1, 1], None),  # a first token is predicted by nothing
]


@pytest.mark.parametrize(("packing", "slots"), [(True, 16), (False, 24)])
def test_contents_of_a_micro_batch(packing: bool, slots: int) -> None:
    batch = collate(SAMPLES, [], packing=packing, pad_id=3)
    assert contents(batch, 3) == ([5, 3, 8], slots, 2 + 2 + 4)


def test_padding_is_told_from_an_end_token_of_the_same_number() -> None:
    batch = collate(SAMPLES, [], packing=False, pad_id=2)
    assert contents(batch, 2)[0] == [5, 3, 8]


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(throughput, "time", clock)
    return clock


def step(packing: bool = False) -> Step:
    pictures = [torch.zeros(3, 24, 24)] * 2
    return Step(
        0, [collate(SAMPLES, pictures, packing=packing, pad_id=3), collate(SAMPLES[:2], [], packing=packing, pad_id=3)]
    )


def test_the_meter_reports_what_went_through(clock: Clock) -> None:
    meter = Meter(tiny.config(), CASES["projector"], Accelerator(cpu=True), pad_id=3)
    for _ in range(3):
        meter.step(step())
        clock.now += 2
    with meter.paused():
        clock.now += 1000
    rates = meter.flush()
    assert rates["tokens_per_second"] == 3 * (16 + 8) / 6
    assert rates["padding"] == round(1 - 24 / 34, 4)
    assert rates["images_per_second"] == 1
    assert 0.05 < rates["memory_gb"] < 64
    assert "mfu" not in rates
    meter.step(step(packing=True))
    clock.now += 1
    assert (again := meter.flush())["tokens_per_second"] == 24
    assert again["padding"] == 0


def test_mfu_is_the_share_of_the_cards_peak(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "peak_flops", lambda device: 1e6)
    meter = Meter(tiny.config(), CASES["projector"], Accelerator(cpu=True), pad_id=3)
    meter.step(step())
    clock.now += 8
    flops = step_flops(tiny.config(), [5, 3, 8], 2, 8, CASES["projector"])
    flops += step_flops(tiny.config(), [5, 3], 0, 4, CASES["projector"])
    assert meter.flush()["mfu"] == pytest.approx(flops / 8e6, abs=1e-4)


def test_images_alone_have_no_tokens(clock: Clock) -> None:
    meter = Meter(tiny.config(), {"vision_tower": FULL}, Accelerator(cpu=True), pad_id=3)
    meter.step(Step(0, [{"pixel_values": torch.zeros(8, 3, 24, 24)}]))
    clock.now += 2
    rates = meter.flush()
    assert rates["images_per_second"] == 4
    assert not {"tokens_per_second", "padding"} & set(rates)


def test_a_processor_has_no_promised_peak() -> None:
    assert peak_flops(torch.device("cpu")) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_card_reaches_most_of_its_promised_peak_and_no_more() -> None:
    device = torch.device("cuda")
    peak = peak_flops(device)
    if peak is None:
        pytest.skip(f"{torch.cuda.get_device_name(device)} is not in the table")
    a = torch.randn(8192, 8192, device=device, dtype=torch.bfloat16)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    for _ in range(3):
        a @ a
    start.record()
    for _ in range(20):
        a @ a
    end.record()
    torch.cuda.synchronize()
    reached = 20 * 2 * 8192**3 / (start.elapsed_time(end) / 1000)
    assert 0.4 * peak < reached < 1.05 * peak


TWO_PROCESSES = """
import sys, torch, time
sys.path.insert(0, sys.argv[1])
import tiny_sqllava as tiny
from accelerate import Accelerator
from sqllava.training.dataset import Step
from sqllava.training.throughput import Meter
accelerator = Accelerator(cpu=True)
meter = Meter(tiny.config(), {}, accelerator, pad_id=3)
images = 30 if accelerator.process_index else 10
meter.step(Step(0, [{"pixel_values": torch.zeros(images, 3, 24, 24)}]))
meter._began = time.monotonic() - 1000
if accelerator.is_main_process:
    print(meter.flush()["images_per_second"])
else:
    meter.flush()
accelerator.end_training()
"""


@pytest.mark.slow
def test_rates_are_over_all_processes() -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone", "--no-python"]
    support = os.path.dirname(tiny.__file__)
    program = [sys.executable, "-c", TWO_PROCESSES, support]
    done = subprocess.run([*command, *program], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(40 / 1000, rel=1e-2)
