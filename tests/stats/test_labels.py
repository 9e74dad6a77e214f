"""Numbered names are the sequence of names that they stand for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sqeval.stats.labels import Labels

names = st.lists(st.sampled_from(["b", "a", "", "10", "9", "ä"]), max_size=12)


@given(names)
def test_they_read_like_the_list_they_were_made_of(plain: list[str]) -> None:
    for labels in (Labels.of(plain), Labels.in_order(plain)):
        assert list(labels) == plain == [labels[row] for row in range(len(labels))]
        assert list(labels[1:]) == plain[1:]
        assert labels.distinct == (len(set(plain)) == len(plain))
        assert set(labels.names) == set(plain)
        assert len(labels.names) == len(set(plain))
    assert Labels.of(plain).names == list(dict.fromkeys(plain))
    assert Labels.in_order(plain).names == sorted(set(plain))


@given(names, st.data())
def test_parts_are_numbered_as_if_they_were_all(plain: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(plain) - 1), max_size=8)) if plain else []
    part = Labels.in_order(plain).take(np.array(rows, dtype=np.intp))
    chosen = [plain[row] for row in rows]
    assert list(part) == chosen
    assert part.distinct == (len(set(chosen)) == len(chosen))
    codes, count = part.compact()
    assert codes.tolist() == Labels.in_order(chosen).codes.tolist()
    assert count == len(set(chosen))


def test_numbered_names_are_not_numbered_again_but_to_sort_them() -> None:
    labels = Labels.of(["b", "a", "b"])
    assert Labels.of(labels) is labels
    ordered = Labels.in_order(labels)
    assert (ordered.names, ordered.codes.tolist()) == (["a", "b"], [1, 0, 1])
    assert Labels.in_order(ordered) is ordered
