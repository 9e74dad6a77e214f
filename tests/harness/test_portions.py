"""Portions hold each group once, whatever is lost, and give up only what killed several workers by itself."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqeval.data.images import ImageRef
from sqeval.model import Completion, Group, Request, Settings
from sqeval.workers.portions import FIRST, LEAST, MOST_LOSSES, SECONDS, Portion, Portions

sizes = st.lists(st.integers(1, 60), min_size=1, max_size=40)


def groups(numbers: list[int]) -> list[Group]:
    return [
        Group(ImageRef(f"{i}.png"), tuple(Request("task", f"{i}-{j}", "?", Settings()) for j in range(number)))
        for i, number in enumerate(numbers)
    ]


def answer(portion: Portion, number: int | None = None) -> list[str]:
    """Answer the first `number` questions of a portion; their ids."""
    ids = [request.id for group in portion.groups for request in group.requests][:number]
    for key in ids:
        portion.take(Completion("task", key, "yes"))
    return ids


def count(portion: Portion) -> int:
    return sum(len(group.requests) for group in portion.groups)


def drained(portions: Portions, rate: float | None) -> list[Portion]:
    found = []
    while (portion := portions.next(rate)) is not None:
        found.append(portion)
    assert not portions
    return found


@given(sizes, st.integers(1, 8), st.none() | st.floats(0.1, 1000))
def test_every_group_is_handed_out_once_and_in_order(numbers: list[int], workers: int, rate: float | None) -> None:
    asked = groups(numbers)
    assert [g for portion in drained(Portions(asked, workers), rate) for g in portion.groups] == asked


def test_a_portion_is_what_its_worker_answers_in_some_seconds() -> None:
    portions = Portions(groups([4] * 10_000), 2)
    first, slow, fast = portions.next(None), portions.next(3), portions.next(70)
    assert first is not None
    assert slow is not None
    assert fast is not None
    assert (count(first), count(slow), count(fast)) == (FIRST, 28, 70 * SECONDS)  # whole groups of 4 in 30


@given(st.integers(2, 16))
def test_towards_the_end_portions_shrink(workers: int) -> None:
    counts = [count(portion) for portion in drained(Portions(groups([1] * 4_000), workers), 1e6)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] <= 4_000 / (2 * workers)
    assert counts[-1] <= LEAST


def test_a_group_is_never_cut_however_large() -> None:
    assert [count(portion) for portion in drained(Portions(groups([500, 1, 700]), 4), 1.0)] == [500, 1, 700]


def test_what_a_lost_worker_answered_is_kept_and_the_rest_comes_last_one_by_one() -> None:
    portions = Portions(groups([3, 3, 3, 20, 20]), 1)
    lost = portions.next(None)
    assert lost is not None
    assert len(lost.groups) == 3
    assert answer(lost, 4) == ["0-0", "0-1", "0-2", "1-0"]
    assert list(portions.lost(lost, "killed")) == []
    rest = drained(portions, None)
    assert [[g.image.key for g in portion.groups if g.image] for portion in rest] == [
        ["3.png"], ["4.png"], ["1.png"], ["2.png"],
    ]  # fmt: skip
    assert [request.id for request in rest[2].groups[0].requests] == ["1-1", "1-2"]


def test_only_the_group_that_kills_is_given_up() -> None:
    portions = Portions(groups([2] * 6), 1)
    answered: list[str] = []
    errors: list[Completion] = []
    losses = 0
    while (portion := portions.next(None)) is not None:
        if all(group.image != ImageRef("3.png") for group in portion.groups):
            answered += answer(portion)
            continue
        losses += 1
        errors += portions.lost(portion, "killed by the kernel")
    assert losses == MOST_LOSSES
    assert sorted(answered) == [f"{i}-{j}" for i in (0, 1, 2, 4, 5) for j in range(2)]
    assert [(error.id, error.text) for error in errors] == [("3-0", ""), ("3-1", "")]
    assert all("killed by the kernel" in str(error.error) for error in errors)


@given(sizes, st.data())
def test_whatever_is_lost_each_question_ends_once(numbers: list[int], data: st.DataObject) -> None:
    asked = groups(numbers)
    portions, ended = Portions(asked, 2), Counter[str]()
    while (portion := portions.next(None)) is not None:
        if data.draw(st.booleans()):
            ended.update(answer(portion))
        else:
            ended.update(answer(portion, data.draw(st.integers(0, count(portion) - 1))))
            ended.update(error.id for error in portions.lost(portion, "gone"))
    assert ended == Counter(request.id for group in asked for request in group.requests)


@pytest.mark.parametrize("key", ["0-0", "other"])
def test_an_answer_that_was_not_asked_for_changes_nothing(key: str) -> None:
    portion = Portion(groups([1, 1]))
    portion.take(Completion("task", "0-0", "yes"))
    portion.take(Completion("task", key, "no"))
    assert [group.requests[0].id for group in portion.unanswered()] == ["1-0"]
