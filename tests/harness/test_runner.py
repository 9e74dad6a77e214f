"""A run's records, metrics and counts; what an adapter may not do; what a broken image does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from shades import Looker, Shades

from sqeval.config import RunConfig
from sqeval.errors import DataError, IncompleteError, UserError
from sqeval.evaluation import evaluate
from sqeval.model import Completion, Group, Request
from sqeval.progress import Silent
from sqeval.records import Record
from sqeval.rundir import read_records
from sqeval.task import Score

Make = Callable[..., RunConfig]


class Stubborn(Looker):
    """Passes the completions of a `Looker` through `change`."""

    def __init__(self, change: Callable[[list[Completion]], list[Completion]]) -> None:
        super().__init__()
        self._change = change

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        yield from self._change(list(super().generate(groups)))


def records(config: RunConfig) -> list[Record]:
    found, torn = read_records(config.folder / "shades" / "samples.jsonl")
    assert not torn
    return found


def stored(config: RunConfig, name: str) -> Any:
    return json.loads((config.folder / name).read_bytes())


def test_a_looking_model_is_right_and_everything_is_on_disk(config: Make, data: Path) -> None:
    outcome = evaluate(config(), model=Looker())
    lines = [json.loads(line) for line in (data / "shades" / "questions.jsonl").read_text("utf-8").splitlines()]
    written = records(config())
    assert [r.id for r in written] == [line["id"] for line in lines]  # the data's order, though answered in another
    assert [r.reference for r in written] == [line["answer"] for line in lines]
    *seen, text = written
    assert all(r.scores["accuracy"] == 1 and r.response == r.reference and r.error is None for r in seen)
    assert text.response == "neither ü \u2028 \ufffd"  # a lone surrogate cannot be stored
    assert (text.parsed, text.image, text.truncated, text.unparsed) == (None, None, True, True)
    assert all("rarity" in r.scores for r in written)
    metrics = stored(config(), "shades/metrics.json")
    assert metrics == outcome.metrics["shades"]
    assert metrics["counts"] == {"n": 25, "scored": 24, "unparsed": 1, "errored": 0, "missing": 0, "truncated": 1}
    assert metrics["not_computed"] == {"depth": "a ruler is missing"}
    assert metrics["metrics"]["accuracy"]["value"] == pytest.approx(24 / 25)
    assert metrics["metrics"]["accuracy"]["clusters"] == 9
    assert metrics["metrics"]["accuracy/limit=64"] == {**metrics["metrics"]["accuracy/limit=64"], "value": 1.0, "n": 8}
    assert stored(config(), "shades/submission.json") == {r.id: r.response for r in written}
    run = stored(config(), "run.json")
    assert run["status"] == "complete"
    assert run["tasks"]["shades"]["value"] == metrics["metrics"]["accuracy"]["value"]
    rates = run["throughput"]
    assert rates["questions"] == 25
    assert rates["questions_per_second"] == pytest.approx(25 / rates["seconds"], rel=0.2)


def test_a_part_of_the_samples_is_no_submission(config: Make) -> None:
    part = config(limit=6)
    assert evaluate(part, model=Looker()).metrics["shades"]["counts"]["n"] < 25
    assert not list(part.folder.glob("shades/submission.*"))


def test_all_stands_for_the_tasks_that_the_data_has(config: Make) -> None:
    notes: list[str] = []

    class Noting(Silent):
        def note(self, what: str) -> None:
            notes.append(what)

    outcome = evaluate(config(tasks=("all",)), model=Looker(), progress=Noting())
    assert list(outcome.metrics) == ["shades", "tints"]
    assert outcome.run["config"]["tasks"] == ["shades", "tints"]
    assert any("left out: " in note and "pope" in note for note in notes)
    with pytest.raises(UserError, match=r"lacks files:\n  pope: pope/coco_pope_random.json \(from"):
        evaluate(config(tasks=("shades", "pope"), name="other"), model=Looker())


def test_images_come_with_all_their_questions(config: Make) -> None:
    groups: list[Group] = []

    class Watching(Looker):
        def generate(self, asked: Sequence[Group]) -> Iterator[Completion]:
            groups.extend(asked)
            yield from super().generate(asked)

    evaluate(config(), model=Watching())
    assert [len(group.requests) for group in groups] == [3] * 8 + [1]
    assert len({group.image.key for group in groups if group.image}) == 8
    assert groups[-1].requests == (
        Request("shades", "text", "Is it darker than 0?\nAnswer yes or no.", Shades.settings),
    )


def test_broken_images_are_errors_counted_and_wrong(config: Make, data: Path) -> None:
    truncated, missing = data / "shades" / "images" / "2.png", data / "shades" / "images" / "5.png"
    whole = truncated.read_bytes()
    truncated.write_bytes(whole[: len(whole) // 2])
    missing.unlink()
    outcome = evaluate(config(), model=Looker())
    assert outcome.errored == 6
    assert len(outcome.errors["shades"]) == 5
    broken = [r for r in records(config()) if r.errored]
    assert {r.image for r in broken} == {"shades/images/2.png", "shades/images/5.png"}
    assert all(r.response is None and r.scores["accuracy"] == 0 and r.finish_reason == "error" for r in broken)
    assert outcome.metrics["shades"]["counts"] == {
        "n": 25,
        "scored": 18,
        "unparsed": 1,
        "errored": 6,
        "missing": 0,
        "truncated": 1,
    }
    assert outcome.metrics["shades"]["metrics"]["accuracy"]["value"] == pytest.approx(18 / 25)

    truncated.write_bytes(whole)  # the cause put right: only what failed is asked again
    again = Looker()
    assert evaluate(config(), model=again).errored == 3
    assert sorted(again.asked) == [f"{turn}-{i}.png" for turn in range(3) for i in (2, 5)]


@pytest.mark.parametrize(
    ("change", "words", "left"),
    [
        (lambda given: [*given, given[0]], "twice", 0),
        (lambda given: [*given, Completion("shades", "who", "yes")], "without being asked", 0),
        (lambda given: given[1:], "no answer to 1 of 25", 1),
        (lambda given: [], "no answer to 25 of 25", 25),
    ],
)
def test_an_adapter_that_breaks_the_protocol(change: Any, words: str, left: int, config: Make) -> None:
    with pytest.raises(IncompleteError, match=words) as caught:
        evaluate(config(), model=Stubborn(change))
    assert caught.value.exit_code == 5
    assert not (config().folder / "shades" / "metrics.json").exists()
    assert stored(config(), "run.json")["status"] == "running"
    rest = Looker()
    evaluate(config(), model=rest)
    assert stored(config(), "run.json")["status"] == "complete"
    assert len(rest.asked) == left


def test_a_scorer_that_changed_scores_the_old_answers(config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate(config(), model=Looker())
    before = stored(config(), "shades/metrics.json")
    monkeypatch.setattr(Shades, "version", "2")
    again = Looker()
    evaluate(config(), model=again)
    after = stored(config(), "shades/metrics.json")
    assert again.asked == []
    assert after["version"] == "2"
    assert after["hashes"]["scorer"] != before["hashes"]["scorer"]
    assert after["metrics"] == before["metrics"]


def test_a_prompt_that_changed_is_asked_again(config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate(config(), model=Looker())
    monkeypatch.setattr(Shades, "prompt", lambda self, sample: f"{sample.question}\nYes or no?")
    again = Looker()
    evaluate(config(), model=again)
    assert len(again.asked) == 25
    assert all(record.prompt.endswith("Yes or no?") for record in records(config()))


@pytest.mark.parametrize("where", ["score", "corpus_scores"])
def test_scores_that_are_no_numbers_are_refused(where: str, config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would be written as null, and the run could not be read again."""
    values = {"score": Score("yes", {"accuracy": float("nan")}), "corpus_scores": [{"rarity": float("inf")}] * 25}
    with monkeypatch.context() as broken:
        broken.setattr(Shades, where, lambda self, *given: values[where])
        with pytest.raises(UserError, match=r"task shades scores '.*' with \{'\w+': (nan|inf)\}; scores are finite"):
            evaluate(config(), model=Looker())
    outcome = evaluate(config(), model=Looker())  # nothing that was answered stands in the way
    assert outcome.metrics["shades"]["metrics"]["accuracy"]["value"] == 24 / 25
    assert len(records(config())) == 25


def test_data_without_samples_or_with_equal_ids(config: Make, data: Path) -> None:
    questions = data / "shades" / "questions.jsonl"
    text = questions.read_text("utf-8")
    questions.write_text(text + text.splitlines()[0] + "\n", "utf-8")
    with pytest.raises(DataError, match="two samples have the id"):
        evaluate(config(), model=Looker())
    questions.write_text("", "utf-8")
    with pytest.raises(UserError):
        evaluate(config(), model=Looker())
    assert not config().folder.exists()
