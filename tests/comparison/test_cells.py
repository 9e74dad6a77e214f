"""Where it got worse: cells of one tag and of two, against the difference computed on those samples alone."""

from __future__ import annotations

import numpy as np
import pytest

from sqeval.cells import SMALLEST, cells
from sqeval.stats import Metric, difference, holm, mean
from sqeval.stats.metric import Floats

N = 1200
KINDS, ROOMS = ("query", "verify", "choose"), ("kitchen", "garden")


def side(values: Floats, kinds: list[str], rooms: list[str]) -> dict[str, Metric]:
    """A task's metrics: accuracy, and its cells by kind and by room."""

    def some(name: str, rows: list[int]) -> Metric:
        return mean(name, [f"q{i}" for i in rows], [f"image{i // 6}" for i in rows], values[rows])

    found = {"accuracy": some("accuracy", list(range(N)))}
    for tag, labels in (("kind", kinds), ("room", rooms)):
        for label in sorted(set(labels)):
            name = f"accuracy/{tag}={label}"
            found[name] = some(name, [i for i in range(N) if labels[i] == label])
    return found


@pytest.fixture
def sides() -> tuple[dict[str, Metric], dict[str, Metric], list[str], list[str]]:
    rng = np.random.default_rng(0)
    kinds, rooms = rng.choice(KINDS, N).tolist(), rng.choice(ROOMS, N).tolist()
    before = (rng.random(N) < 0.8).astype(float)
    hurt = np.array([kinds[i] == "query" and rooms[i] == "garden" for i in range(N)])
    after = np.where(hurt & (rng.random(N) < 0.4), 0, before)
    return side(before, kinds, rooms), side(after, kinds, rooms), kinds, rooms


def test_the_worst_cell_is_the_one_that_was_hurt(
    sides: tuple[dict[str, Metric], dict[str, Metric], list[str], list[str]],
) -> None:
    before, after, kinds, rooms = sides
    found = cells(before, after, ["accuracy"], 0.95)
    assert found[0].name == "kind=query, room=garden"
    assert {cell.name for cell in found} == {
        *(f"kind={kind}" for kind in KINDS),
        *(f"room={room}" for room in ROOMS),
        *(f"kind={kind}, room={room}" for kind in KINDS for room in ROOMS),
    }
    rows = [i for i in range(N) if (kinds[i], rooms[i]) == ("query", "garden")]
    ids, images = [f"q{i}" for i in rows], [f"image{i // 6}" for i in rows]
    alone = (mean("a", ids, images, each["accuracy"].columns[rows]) for each in (before, after))
    assert found[0].difference == difference(*alone)
    for cell in found:
        if "," not in cell.name:
            assert cell.difference == difference(before[f"accuracy/{cell.name}"], after[f"accuracy/{cell.name}"])


def test_p_values_are_adjusted_for_all_cells(
    sides: tuple[dict[str, Metric], dict[str, Metric], list[str], list[str]],
) -> None:
    found = cells(*sides[:2], ["accuracy"], 0.95)
    assert [cell.p for cell in found] == holm([cell.difference.p or 0 for cell in found])


def test_cells_that_say_nothing_new_or_too_little_are_left_out() -> None:
    values = np.ones(N)
    kinds = ["query" if i < N // 2 else "verify" for i in range(N)]
    nested = cells(
        *[side(values, kinds, ["kitchen" if k == "query" else "garden" for k in kinds])] * 2, ["accuracy"], 0.95
    )
    assert not [cell for cell in nested if "," in cell.name]
    rare = ["garden" if i < SMALLEST - 1 else "kitchen" for i in range(N)]
    crossed = [c.name for c in cells(*[side(values, kinds, rare)] * 2, ["accuracy"], 0.95) if "," in c.name]
    assert crossed == ["kind=query, room=kitchen"]


def test_cells_of_a_ratio_are_those_that_the_task_reports() -> None:
    rng = np.random.default_rng(1)
    ids, images = [str(i) for i in range(60)], [str(i // 3) for i in range(60)]
    columns = rng.integers(1, 5, (60, 2)).astype(float)

    def ratio(sums: Floats) -> Floats:
        return np.asarray(sums[..., 0] / sums[..., 1])

    whole = Metric("f1", ids, images, columns, ratio)
    half = Metric("f1/room=garden", ids[:30], images[:30], columns[:30], ratio)
    found = cells({"f1": whole, half.name: half}, {"f1": whole, half.name: half}, ["f1"], 0.95)
    assert [(cell.name, cell.difference.n) for cell in found] == [("room=garden", 30)]
    assert cells({"f1": whole}, {"f1": whole}, ["f1"], 0.95) == ()
