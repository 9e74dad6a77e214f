"""Several tasks are asked in one call: answers arrive mixed, and each task is true on disk at every moment."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from shades import Looker, Shades, Tints
from test_survival import content, die_at_file_event, dying_at_answer, in_child

from sqeval.config import RunConfig
from sqeval.errors import IncompleteError
from sqeval.evaluation import evaluate
from sqeval.model import Completion, Group, Request, Settings, Work
from sqeval.models.baselines import Majority, Random
from sqeval.task import Sample

Make = Callable[..., RunConfig]
BOTH = ("tints", "shades")


@pytest.fixture
def both(config: Make) -> Make:
    return lambda **changes: config(**{"tasks": BOTH, **changes})


@pytest.fixture
def expected(both: Make) -> dict[str, bytes]:
    """What an uninterrupted run leaves."""
    evaluate(both(name="whole"), model=Looker())
    found = content(both(name="whole").folder)
    assert len(found) == 6
    return found


def run_json(config: RunConfig) -> Any:
    return json.loads((config.folder / "run.json").read_bytes())


class Sorted(Looker):
    """Answers all of `shades` before the first of `tints`; `between` is called in the middle."""

    def __init__(self, between: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._between = between

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        answers = sorted(super().generate(groups), key=lambda answer: answer.task)
        for number, answer in enumerate(answers):
            if number and answers[number - 1].task != answer.task:
                self._between()
            yield answer


def test_all_tasks_come_in_one_call_grouped_by_image(both: Make) -> None:
    calls: list[Sequence[Group]] = []

    class Watching(Looker):
        def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
            calls.append(groups)
            yield from super().generate(groups)

    outcome = evaluate(both(), model=Watching())
    (groups,) = calls
    assert [len(group.requests) for group in groups if group.image] == [6] * 8
    assert [len(group.requests) for group in groups if group.image is None] == [1, 1]
    assert {(r.task, r.settings) for group in groups for r in group.requests} == {
        ("shades", Shades.settings),
        ("tints", Tints.settings),
    }
    assert tuple(outcome.metrics) == tuple(run_json(both())["tasks"]) == BOTH
    assert run_json(both())["throughput"]["questions"] == 50


def test_a_task_is_as_if_it_had_been_asked_alone(config: Make, expected: dict[str, bytes]) -> None:
    for task in BOTH:
        evaluate(config(tasks=(task,), name="apart"), model=Looker())
    assert content(config(name="apart").folder) == expected


def test_a_finished_task_is_complete_while_another_goes_on(both: Make, expected: dict[str, bytes]) -> None:
    seen: list[dict[str, bytes]] = []

    def look() -> None:
        seen.append(content(both().folder))
        assert run_json(both())["status"] == "running"
        assert list(run_json(both())["tasks"]) == ["shades"]

    evaluate(both(), model=Sorted(look))
    assert {name for name in seen[0] if name != ".lock"} == {
        "shades/metrics.json",
        "shades/samples.jsonl",
        "shades/submission.json",
        "tints/samples.jsonl",
    }
    assert all(seen[0][name] == text for name, text in expected.items() if name.startswith("shades/"))
    assert seen[0]["tints/samples.jsonl"] == b""


def test_what_was_answered_before_an_exception_is_on_disk(both: Make, expected: dict[str, bytes]) -> None:
    def fail() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        evaluate(both(), model=Sorted(fail))
    assert content(both().folder)["shades/metrics.json"] == expected["shades/metrics.json"]

    def interrupt(number: int) -> None:
        if number == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(both(), model=Looker(interrupt))
    assert content(both().folder)["tints/samples.jsonl"].count(b"\n") == 7
    assert not (both().folder / ".lock").exists()
    rest = Looker()
    evaluate(both(), model=rest)
    assert len(rest.asked) == 18
    assert content(both().folder) == expected


@pytest.mark.parametrize("number", [1, 20, 49])
def test_killed_while_answers_arrive_mixed(number: int, both: Make, expected: dict[str, bytes]) -> None:
    assert in_child(lambda: evaluate(both(), model=dying_at_answer(number))) == -signal.SIGKILL
    written = content(both().folder)
    assert sum(written[f"{task}/samples.jsonl"].count(b"\n") for task in BOTH) == number
    rest = Looker()
    evaluate(both(), model=rest)
    assert len(rest.asked) == 50 - number
    assert content(both().folder) == expected
    assert run_json(both())["status"] == "complete"


@pytest.mark.slow
def test_killed_at_touches_of_files(both: Make, expected: dict[str, bytes]) -> None:
    for point in range(1, 100, 3):
        target = both(name=f"run{point}")

        def work(number: int = point, target: RunConfig = target) -> None:
            die_at_file_event(number, target.folder)
            evaluate(target, model=Looker())

        status = in_child(work)
        if status == -signal.SIGKILL:
            evaluate(target, model=Looker())
        assert content(target.folder) == expected, f"killed at file event {point}"
        if status == 0:
            break
    assert point > 30


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda given: [*given, given[0]], r"tints: model looker answered 'text' twice"),
        (lambda given: [*given, Completion("pope", "1", "yes")], "pope: .* '1' without being asked"),
        (lambda given: [a for a in given if a.id != "text"], r"tints: .* 1 of 25 .*\(text\)\nshades: .*\(text\)\n"),
    ],
)
def test_adapters_that_break_the_protocol_are_told_by_task(change: Any, words: str, both: Make) -> None:
    class Stubborn(Looker):
        def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
            yield from change(sorted(super().generate(groups), key=lambda answer: (answer.task, answer.id))[::-1])

    with pytest.raises(IncompleteError, match=words):
        evaluate(both(), model=Stubborn())
    assert run_json(both())["status"] == "running"
    evaluate(both(), model=Looker())
    assert run_json(both())["status"] == "complete"


@pytest.mark.parametrize("model", [Majority(), Random(0)])
def test_floors_know_each_task_s_own_answers(model: Majority | Random) -> None:
    for task, gold in ((Shades(), "dark"), (Tints(), "bright")):
        model.fit(task, [Sample("1", None, "q", gold, "1")])
    requests = tuple(Request(task, "1", "q", Settings()) for task in BOTH)
    assert [(a.task, a.text) for a in model.generate([Group(None, requests)])] == [
        ("tints", "bright"),
        ("shades", "dark"),
    ]


class Counting(Looker):
    """Says what it did."""

    def work(self) -> Work:
        n = len(self.asked)
        return Work(100 * n, 30 * n, 2 * n, n // 3, 0.0, 512, True, ("it is late",))


def test_throughput_is_of_this_run_and_of_the_last_time_that_anything_was_asked(both: Make) -> None:
    model = Counting()
    model.asked = ["by somebody else"] * 9
    evaluate(both(), model=model)
    rates = run_json(both())["throughput"]
    assert (rates["questions"], rates["prompt_tokens"], rates["prefilled_tokens"]) == (50, 5000, 1500)
    assert (rates["saved_tokens"], rates["generated_tokens"], rates["images_encoded"]) == (3500, 100, 16)
    assert (rates["batch_tokens"], rates["shared_prefixes"], rates["notes"]) == (512, True, ["it is late"])
    assert rates["busy"] == 0
    assert rates["seconds"] > 0
    for task in BOTH:
        (both().folder / task / "metrics.json").unlink()  # scored again, and nothing asked
    evaluate(both(), model=Looker())
    assert run_json(both())["throughput"] == rates
    with (both().folder / "shades" / "samples.jsonl").open("r+") as file:
        file.truncate(0)
    evaluate(both(), model=Looker())
    assert set(run_json(both())["throughput"]) == {"questions", "seconds", "questions_per_second"}
    assert run_json(both())["throughput"]["questions"] == 25
