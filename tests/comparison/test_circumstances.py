"""What changed beside the scores, as both runs' run.json tell it."""

from __future__ import annotations

from pathlib import Path

from small_runs import HASHES, answers, make_run, truths

from sqeval.circumstances import Change, changed, same_weights

ROWS = {"colours": answers(truths(20))}


def test_every_kind_of_change_is_told(tmp_path: Path) -> None:
    gpu = {"name": "H100", "memory_gib": 80.0}
    one = make_run(
        tmp_path / "one",
        ROWS,
        told={
            "packages": {"torch": "2.12.0", "numpy": "2.4.6"},
            "hardware": {"gpus": [], "cores": 2},
            "git": {"commit": "a" * 40, "dirty": False},
        },
    )
    two = make_run(
        tmp_path / "two",
        ROWS,
        limit=10,
        hashes={**HASHES, "prompts": "q" * 64, "data": "e" * 64},
        told={
            "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
            "hardware": {"gpus": [gpu], "cores": 2},
            "git": {"commit": "b" * 40, "dirty": False},
        },
    )
    found = changed(one, two)
    assert [change.kind for change in found] == [
        "checkpoint", "prompts", "data", "settings", "packages", "hardware", "code",
    ]  # fmt: skip
    assert Change("checkpoint", "content", "one", "two") in found
    assert Change("packages", "torch", "2.12.0", "2.13.0") in found
    assert Change("hardware", "gpus", "none", "H100") in found
    assert Change("settings", "limit", "none", "10") in found
    assert Change("code", "commit", "a" * 10, "b" * 10) in found
    assert changed(one, one) == ()


def test_what_one_run_does_not_tell_is_not_known_to_differ(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", ROWS, told={"packages": {"torch": "2.12.0"}})
    assert changed(one, make_run(tmp_path / "two", ROWS, checkpoint="one")) == ()


def test_weights_are_the_same_if_their_content_is(tmp_path: Path) -> None:
    one, two, three = (
        make_run(tmp_path / name, ROWS, checkpoint=content) for name, content in (("a", "x"), ("b", "x"), ("c", "y"))
    )
    assert same_weights(one, two)
    assert not same_weights(one, three)
