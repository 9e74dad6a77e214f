"""From responses to scores through a judge: waiting for one, failing ones, killed in between, never two mixed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from judge_server import Court, judging
from judged_data import write_judged_plugins, write_llava_wild, write_mmvet
from typer.testing import CliRunner

from sqeval.boards import boards
from sqeval.cli.app import app
from sqeval.comparing import compare_runs
from sqeval.comparison import Rules
from sqeval.config import RunConfig
from sqeval.errors import UserError
from sqeval.evaluation import evaluate
from sqeval.judge import Judge, Reply
from sqeval.judgements import Judgements
from sqeval.model import Completion, Group, Identity
from sqeval.report.leaderboard import title
from sqeval.runs import find_runs, load_run

GRADES = {"What is x": "0.5", "What is sold": "1.0", "Why": "0.3", "Where": "0.0"}


class Speaker:
    """Says something about every question."""

    identity = Identity("speaker", "speaker", checkpoint="mouth", checkpoint_hash="2" * 64)

    def __init__(self) -> None:
        self.asked = 0

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        for group in groups:
            for request in group.requests:
                self.asked += 1
                yield Completion(request.task, request.id, f"about {request.prompt}")


def fair(question: dict[str, Any], number: int) -> str:
    """The judge's reply to a row of MM-Vet's table, or to two assistants."""
    text = question["messages"][-1]["content"]
    if "[Assistant 2]" in text:
        return "8 6\nSo it is."
    return next(grade for words, grade in GRADES.items() if text.split("\n")[-1].startswith(words))


Make = Callable[..., RunConfig]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A configuration for the judged tasks; keywords change it. Retries do not wait."""
    write_llava_wild(write_mmvet(tmp_path / "data"))
    monkeypatch.syspath_prepend(str(write_judged_plugins(tmp_path / "site")))
    monkeypatch.setenv("SQEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sqeval.judge.pause", lambda attempt, header=None: 0.0)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key")

    def make(**changes: Any) -> RunConfig:
        given = {"tasks": ("mmvet",), "data": str(tmp_path / "data"), "out": str(tmp_path / "out"), "name": "run"}
        return RunConfig(**{**given, **changes})

    return make


@pytest.fixture
def court(monkeypatch: pytest.MonkeyPatch) -> Iterator[Court]:
    """A fair judge, where the environment says that the judge is."""
    with judging(fair) as found:
        monkeypatch.setenv("OPENAI_BASE_URL", found.url)
        yield found


def metrics(config: RunConfig, task: str = "mmvet") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((config.folder / task / "metrics.json").read_bytes())
    return found


def lines(config: RunConfig, task: str = "mmvet") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (config.folder / task / "samples.jsonl").read_text("utf-8").splitlines()]


def status(config: RunConfig) -> str:
    return str(json.loads((config.folder / "run.json").read_bytes())["status"])


def test_both_tasks_are_judged_in_a_run(config: Make, court: Court) -> None:
    whole = config(tasks=("mmvet", "llava_wild"), judge="gpt-4", judge_rounds=2)
    outcome = evaluate(whole, model=Speaker())
    assert not outcome.waits
    assert metrics(whole)["metrics"]["score"]["value"] == pytest.approx(0.45)
    assert metrics(whole, "llava_wild")["metrics"]["relative"]["value"] == pytest.approx(0.75)
    judge = {"name": "gpt-4", "version": "judge-0613", "rounds": 2}
    assert metrics(whole)["judge"] == metrics(whole, "llava_wild")["judge"] == judge
    assert status(whole) == "complete"
    first = lines(whole)[0]["judgement"]
    assert (first["rounds"], first["versions"], first["error"]) == ([["0.5"], ["0.5"]], ["judge-0613"], None)
    assert first["place"] == Judge("gpt-4", court.url).place
    assert len(court.asked) == 2 * (4 + 4)
    assert set(court.keys) == {"Bearer sk-very-secret-key"}
    assert evaluate(whole, model=Speaker()).untouched
    written = [path for folder in ("out", "cache") for path in (whole.folder.parents[1] / folder).rglob("*")]
    texts = [path.read_bytes() for path in written if path.is_file()]
    assert not any(b"very-secret" in text or court.url.encode() in text for text in texts)


def test_without_a_judge_responses_wait_and_are_judged_later(config: Make, court: Court) -> None:
    outcome = evaluate(config(), model=Speaker())
    assert "4 of 4 responses await a judge" in outcome.waits["mmvet"]
    assert not (config().folder / "mmvet" / "metrics.json").exists()
    assert (status(config()), outcome.metrics) == ("running", {})
    assert [line["scores"] for line in lines(config())] == [{}] * 4
    submission = json.loads((config().folder / "mmvet" / "submission.json").read_bytes())
    assert submission["v1_1"] == "about What is sold?"
    assert not court.asked
    again = Speaker()
    assert not evaluate(config(judge="gpt-4"), model=again).waits
    assert again.asked == 0
    whole = config(name="whole", judge="gpt-4")
    evaluate(whole, model=Speaker())
    assert len(court.asked) == 4  # what the judge said about the same words is not paid for again
    assert (metrics(config()), lines(config()), status(config())) == (metrics(whole), lines(whole), "complete")


def test_metrics_are_computed_again_without_the_judge(config: Make, court: Court) -> None:
    evaluate(config(judge="gpt-4"), model=Speaker())
    before, asked = metrics(config()), len(court.asked)
    again = config(model="replay", ckpt=str(config().folder), name="again")
    assert not evaluate(again, kind="score").waits
    assert (metrics(again), len(court.asked)) == (before, asked)
    # and a run that was judged stays so when it is repeated without
    assert evaluate(config(), model=Speaker()).untouched


def test_a_passing_refusal_changes_nothing(config: Make, court: Court) -> None:
    refused: set[str] = set()

    def busy(question: dict[str, Any], number: int) -> str | tuple[int, str]:
        words = question["messages"][0]["content"]
        if words in refused:
            return fair(question, number)
        refused.add(words)
        return 429, "slow down"

    court.replying = busy
    assert not evaluate(config(judge="gpt-4"), model=Speaker()).waits
    assert metrics(config())["metrics"]["score"]["value"] == pytest.approx(0.45)


def test_a_judge_that_fails_for_one_leaves_the_task_open(config: Make, court: Court) -> None:
    court.replying = lambda q, n: (500, "oops") if "sold" in q["messages"][0]["content"] else fair(q, n)
    outcome = evaluate(config(judge="gpt-4"), model=Speaker())
    assert "1 of 4 responses are not judged, 1 failed: v1_1: HTTP 500: oops" in outcome.waits["mmvet"]
    assert not (config().folder / "mmvet" / "metrics.json").exists()
    failed = lines(config())[1]
    assert (failed["response"], failed["scores"], failed["parsed"]) == ("about What is sold?", {}, None)
    assert failed["judgement"]["error"] == "HTTP 500: oops"
    court.replying, asked, again = fair, len(court.asked), Speaker()
    assert not evaluate(config(judge="gpt-4"), model=again).waits
    assert (again.asked, len(court.asked) - asked) == (0, 1)
    assert metrics(config())["counts"]["errored"] == 0


@pytest.mark.parametrize("trouble", [(401, "bad key"), (500, "oops"), (400, "no such setting")])
def test_a_judge_that_fails_for_all_is_not_asked_for_ever(
    trouble: tuple[int, str], config: Make, court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    court.replying = lambda question, number: trouble
    monkeypatch.setattr("sqeval.judging.WORKERS", 1)
    monkeypatch.setattr("sqeval.judging.PATIENCE", 2)
    outcome = evaluate(config(tasks=("mmvet", "llava_wild"), judge="gpt-4"), model=Speaker())
    tried = 1 if trouble[0] == 401 else 2
    assert "4 of 4 responses are not judged, since the judge had failed before" in outcome.waits["llava_wild"]
    assert f"4 of 4 responses are not judged, {tried} failed: v1_0: HTTP {trouble[0]}" in outcome.waits["mmvet"]


def test_garbage_is_kept_counted_and_asked_about_again(config: Make, court: Court) -> None:
    court.replying = lambda q, n: "well..." if "sold" in q["messages"][0]["content"] else fair(q, n)
    outcome = evaluate(config(judge="gpt-4"), model=Speaker())
    assert (outcome.errored, outcome.waits) == (1, {})
    assert outcome.errors["mmvet"] == [("v1_1", "the judge's reply cannot be read: 'well...'")]
    assert lines(config())[1]["judgement"]["rounds"] == [["well..."] * 5]
    assert metrics(config())["metrics"]["score"]["value"] == pytest.approx(0.2)  # the protocol's 0 of 4 grades
    assert metrics(config())["counts"] == {
        "n": 4,
        "scored": 3,
        "unparsed": 0,
        "errored": 1,
        "missing": 0,
        "truncated": 0,
    }
    evaluate(config(), model=Speaker())  # without a judge everything stays
    assert metrics(config())["counts"]["errored"] == 1
    court.replying, again = fair, Speaker()
    assert evaluate(config(judge="gpt-4"), model=again).errored == 0
    assert (again.asked, metrics(config())["metrics"]["score"]["value"]) == (0, pytest.approx(0.45))


def test_killed_while_judging_and_continued(config: Make, court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate(config(name="whole", judge="gpt-4"), model=Speaker(), fresh=True)
    cached = next((config().folder.parents[1] / "cache" / "judgements").iterdir())
    cached.unlink()
    monkeypatch.setattr("sqeval.judging.WORKERS", 1)
    child = os.fork()
    if child == 0:
        real = Judgements.put

        def dying(self: Judgements, key: str, reply: Reply) -> None:
            if len(self._replies) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            real(self, key, reply)

        monkeypatch.setattr(Judgements, "put", dying)
        evaluate(config(judge="gpt-4"), model=Speaker())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    asked, again = len(court.asked), Speaker()
    evaluate(config(judge="gpt-4"), model=again)
    assert (again.asked, len(court.asked) - asked) == (0, 2)
    for name in ("metrics.json", "samples.jsonl"):
        expected = (config(name="whole").folder / "mmvet" / name).read_bytes()
        assert (config().folder / "mmvet" / name).read_bytes() == expected


def test_a_folder_takes_no_second_judge_and_scoring_makes_another_folder(config: Make, court: Court) -> None:
    evaluate(config(judge="gpt-4"), model=Speaker())
    for other in (config(judge="gpt-5"), config(judge="gpt-4", judge_rounds=2)):
        with pytest.raises(UserError, match=r"another configuration:\n  judge.*\n.*--name"):
            evaluate(other, model=Speaker())
    court.version = "judge-2"
    second = config(model="replay", ckpt=str(config().folder), name="second", judge="gpt-5")
    evaluate(second, kind="score")
    assert metrics(second)["judge"] == {"name": "gpt-5", "version": "judge-2", "rounds": 1}
    ours, theirs = load_run(config().folder), load_run(second.folder)
    [task] = compare_runs(ours, theirs, Rules()).tasks
    assert (task.verdict.value, task.difference) == ("incomparable", None)
    assert "judge (gpt-4 as judge-0613, rounds: 1 and gpt-5 as judge-2, rounds: 1)" in task.reasons[0]
    found = boards(find_runs(config().folder.parent).runs)
    assert len({title(board, found) for board in found}) == 2
    assert any("name gpt-5 rounds 1 version judge-2" in title(board, found) for board in found)


def test_a_judge_that_changes_under_way_gives_no_score(config: Make, court: Court) -> None:
    court.replying = lambda q, n: (400, "no") if "Where" in q["messages"][0]["content"].split("\n")[-1] else fair(q, n)
    evaluate(config(judge="gpt-4"), model=Speaker())
    court.replying, court.version = fair, "judge-2"
    outcome = evaluate(config(judge="gpt-4"), model=Speaker())
    assert "gpt-4 (judge-0613, 1 rounds) and gpt-4 (judge-2, 1 rounds), which are never mixed" in outcome.waits["mmvet"]
    assert not (config().folder / "mmvet" / "metrics.json").exists()
    anew = config(model="replay", ckpt=str(config().folder), name="anew", judge="gpt-4")
    assert not evaluate(anew, kind="score", fresh=True).waits
    assert metrics(anew)["judge"]["version"] == "judge-2"


def test_the_same_name_at_another_address_is_another_judge(
    config: Make, court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both servers say that they are the same version."""
    court.replying = lambda q, n: (400, "no") if "Where" in q["messages"][0]["content"].split("\n")[-1] else fair(q, n)
    assert evaluate(config(judge="gpt-4"), model=Speaker()).waits
    with judging(lambda question, number: "1.0") as other:
        monkeypatch.setenv("OPENAI_BASE_URL", other.url)
        assert not evaluate(config(judge="gpt-4"), model=Speaker()).waits
        assert len(other.asked) == 4
    assert {line["judgement"]["place"] for line in lines(config())} == {Judge("gpt-4", other.url).place}
    assert metrics(config())["metrics"]["score"]["value"] == 1.0


@pytest.mark.parametrize("places", [["0" * 16, "1" * 16], [None, "1" * 16]])
def test_a_run_of_two_addresses_gives_no_score(places: list[str | None], config: Make, court: Court) -> None:
    """As an earlier version left it; without a judge nobody can be asked anew."""
    evaluate(config(judge="gpt-4"), model=Speaker())
    rows = lines(config())
    for place, row in zip(places, rows, strict=False):
        row["judgement"]["place"] = place
    for row in rows:
        if row["judgement"]["place"] is None:
            del row["judgement"]["place"]
    samples = config().folder / "mmvet" / "samples.jsonl"
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    again = config(model="replay", ckpt=str(config().folder), name="again")
    waits = evaluate(again, kind="score").waits["mmvet"]
    assert "judged by gpt-4 (judge-0613, 1 rounds) at different addresses (OPENAI_BASE_URL), which are never" in waits
    assert "at one address, and judge the folder anew with `sqeval score --predictions FOLDER --judge NAME" in waits
    anew = config(model="replay", ckpt=str(config().folder), name="anew", judge="gpt-4")
    assert not evaluate(anew, kind="score").waits


def test_judgements_without_a_place_are_still_read(config: Make, court: Court) -> None:
    evaluate(config(judge="gpt-4"), model=Speaker())
    before, rows = metrics(config()), lines(config())
    for row in rows:
        del row["judgement"]["place"]
    samples = config().folder / "mmvet" / "samples.jsonl"
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    again = config(model="replay", ckpt=str(config().folder), name="again")
    assert not evaluate(again, kind="score").waits
    assert metrics(again) == before


def sqeval(*arguments: object, code: int) -> Any:
    result: Any = CliRunner().invoke(app, [str(a) for a in arguments], prog_name="sqeval")
    assert result.exit_code == code, (result.exception, result.output)
    return result


def test_as_it_is_typed(config: Make, court: Court, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = ["run", "--tasks", "mmvet", "--model", "majority", "--data", "data", "--name", "m"]
    waiting = sqeval(*run, code=5)
    assert "await a judge and are kept" in waiting.stderr
    assert "--judge gpt-4-0613" in waiting.stderr
    assert waiting.stdout.splitlines()[-1] == "results/m"
    assert "has not finished" in sqeval("compare", "results/m", code=5).stderr
    later = sqeval("score", "--predictions", "results/m", "--judge", "gpt-4", code=0)
    assert "judged by gpt-4 (judge-0613), rounds: 1" in later.stdout
    assert "none of these tasks is judged" not in later.stderr
    court.replying = lambda question, number: "?"
    unread = sqeval(*run, "--judge", "other", code=5).stderr
    assert "4 samples errored and count as wrong, or as the protocol has it where a judge's reply cannot be" in unread
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert "set OPENAI_API_KEY" in sqeval(*run, "--judge", "gpt-4", code=2).stderr
    shown = sqeval("tasks", "show", "mmvet", "--data", "data", code=0).stdout
    assert "gpt-4-0613" in shown
    assert "few-shot table" in shown
