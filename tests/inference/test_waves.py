"""Waves: what a level of prefixes and its branches hold, and how it becomes less."""

from __future__ import annotations

import pytest
import torch
from asked import PROCESSOR, ending_model
from hypothesis import given, settings
from hypothesis import strategies as st

from sqllava import Group, Request
from sqllava.inference.jobs import Job
from sqllava.inference.packed import PackedModel
from sqllava.inference.segment import Segment
from sqllava.inference.waves import Launcher, Wave, held

MODEL = ending_model()
NOTHING = Group(())


def job(prefix: int, lengths: list[int], name: str = "") -> Job:
    segments = [Segment(Request(f"{name}{i}", ""), 0, [10 + i] * length, 99) for i, length in enumerate(lengths)]
    return Job(NOTHING, [100 + prefix] * prefix, list(segments))  # no two prefixes begin alike


@torch.inference_mode()
def launched(jobs: list[Job]) -> tuple[Launcher, Wave]:
    launcher = Launcher(PackedModel(MODEL, "flash"))
    wave, hidden, _ = launcher.start(jobs, launcher.prefixes(jobs))
    assert len(hidden) == len(wave.live)
    return launcher, wave


def finish(wave: Wave, names: set[str]) -> None:
    for segment in wave.live:
        if segment.request.id in names:
            segment.finish_reason = "stop"
    wave.shrink()


@given(st.lists(st.integers(1, 400), min_size=1, max_size=30))
@settings(max_examples=15, deadline=None)
def test_one_long_segment_makes_no_room_for_itself_in_all_others(lengths: list[int]) -> None:
    _, wave = launched([job(9, lengths)])
    assert len(wave.live) == len(lengths)
    assert held([wave], []) <= 16 + sum(2 * length + 32 + 16 for length in lengths)


def test_finished_segments_give_their_room_back_by_halves() -> None:
    _, wave = launched([job(30, [5] * 8, "a"), job(20, [5] * 8, "b")])
    whole = held([wave], [])
    finish(wave, {f"a{i}" for i in range(7)})
    assert held([wave], []) == whole  # 9 of 16 go on
    finish(wave, {"b0"})
    assert held([wave], []) == whole - 8 * 16
    finish(wave, {"a7"})  # the first group is through
    assert held([wave], []) == whole - 8 * 16 - 16 - 32
    assert [segment.request.id for segment in wave.live] == [f"b{i}" for i in range(1, 8)]
    finish(wave, {f"b{i}" for i in range(8)})
    assert not wave.live


def test_what_is_left_after_dropping_goes_on_as_before() -> None:
    jobs = [job(12, [3, 90, 4], "a"), job(14, [6], "b"), job(10, [2, 2, 70, 5], "c")]
    launcher, wave = launched(jobs)
    assert len(wave.branches) == 2
    paths = {s.request.id: j.prefix + s.ids for j in jobs for s in j.segments if isinstance(s, Segment)}
    for gone in ({"a0", "c0"}, {"a1", "a2", "c1"}, {"b0"}):
        for segment in wave.live:
            segment.tokens.append(40 + len(segment.tokens))
            paths[segment.request.id].append(segment.tokens[-1])
        with torch.inference_mode():
            live, logits = launcher.step([wave])
            for segment, found in zip(live, logits, strict=True):
                row = torch.tensor([paths[segment.request.id]])
                hidden = MODEL.model.language_model(input_ids=row, use_cache=False).last_hidden_state[0, -1]
                torch.testing.assert_close(found, MODEL.lm_head(hidden), atol=1e-3, rtol=1e-3)
        finish(wave, gone)
    assert sorted(segment.request.id for segment in wave.live) == ["c2", "c3"]
    assert len(wave.prefixes) == 1


@pytest.mark.parametrize("image", [True, False])
def test_the_root_is_what_the_first_groups_share(image: bool) -> None:
    launcher = Launcher(PackedModel(MODEL, "flash"))
    system = list(range(30, 60))
    token = PROCESSOR.image_token_id if image else 70
    features = torch.zeros(3, 48)
    jobs = [Job(NOTHING, [*system, token, token, token, last, 9], [], features) for last in (80, 90)]
    with torch.inference_mode():
        level = launcher.prefixes(jobs)
    assert level.above is not None
    shared = 30 if image else 33  # an image is never shared by all
    assert level.above.lengths == [shared]
    assert level.lengths == [35 - shared] * 2
    with torch.inference_mode():
        assert launcher.prefixes([job(10, [1])]).above is None
        assert launcher.prefixes([jobs[0]]).above is level.above
