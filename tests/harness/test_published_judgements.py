"""Published judgements: MM-Vet's grades and LLaVA-Bench's reviews give the official numbers, without a judge."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judged_data import LLAVA, MMVET, write_judged_plugins, write_llava_wild, write_mmvet
from typer.testing import CliRunner

from sqeval.cli.app import app

Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The benchmarks with their data in `data`, and no judge anywhere."""
    write_llava_wild(write_mmvet(tmp_path / "data"))
    monkeypatch.syspath_prepend(str(write_judged_plugins(tmp_path / "site")))
    monkeypatch.setenv("SQEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def score(task: str, path: object, *more: str, code: int = 0) -> Any:
    words = ["score", "--task", task, "--data", "data", "--predictions", str(path), "--name", "it", *more]
    result: Any = CliRunner().invoke(app, words, prog_name="sqeval")
    assert result.exit_code == code, (result.exception, result.output)
    return result


def metrics(task: str, name: str = "it") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"results/{name}/{task}/metrics.json").read_bytes())
    return found


def values(task: str) -> dict[str, float]:
    return {name: found["value"] for name, found in metrics(task)["metrics"].items()}


def lines(task: str) -> Rows:
    return [json.loads(line) for line in Path(f"results/it/{task}/samples.jsonl").read_text("utf-8").splitlines()]


def grades(runs: int = 1, seed: int = 0) -> dict[str, dict[str, list[Any]]]:
    rng = random.Random(seed)
    drawn = {key: [rng.randint(0, 10) / 10 for _ in range(runs)] for key in MMVET}
    return {
        key: {"model": ["gpt-4-0613"] * runs, "content": [str(score) for score in its], "score": its}
        for key, its in drawn.items()
    }


def write_grades(found: Any, name: str = "llava-13b_gpt-4-32k-grade-1runs.json") -> Path:
    path = Path(name)
    path.write_text(json.dumps(found, indent=4), "utf-8")
    return path


def mmvet_summary(found: Mapping[str, Mapping[str, Any]], runs: int) -> dict[str, float]:
    """What mm-vet_evaluator.py prints, written out: by capability and in total, by combination, and the spread."""
    names = ("rec", "ocr", "know", "gen", "spat", "math")
    capabilities: dict[str, Any] = {name: np.zeros(runs) for name in (*names, "total")}
    combinations: dict[str, Any] = defaultdict(lambda: np.zeros(runs))
    n_capability, n_combination = Counter[str](), Counter[str]()
    for key, (_, _, its) in MMVET.items():
        combination = "_".join(name for name in names if name in its)
        n_combination[combination] += 1
        n_capability.update([*its, "total"])
        for run in range(runs):
            combinations[combination][run] += found[key]["score"][run]
            for name in (*its, "total"):
                capabilities[name][run] += found[key]["score"][run]
    totals = capabilities["total"] / n_capability["total"] * 100
    return {
        "score": float(totals.mean()),
        "std": float(totals.std()),
        **{f"score/capability={k}": float((v / n_capability[k] * 100).mean())
           for k, v in capabilities.items() if k != "total" and n_capability[k]},
        **{f"score/integration={k}": float((v / n_combination[k] * 100).mean()) for k, v in combinations.items()},
    }  # fmt: skip


@pytest.mark.parametrize("runs", [1, 5])
def test_grades_give_the_evaluator_s_numbers(runs: int) -> None:
    found = grades(runs)
    result = score("mmvet", write_grades(found))
    official = mmvet_summary(found, runs)
    if runs == 1:
        del official["std"]
    ours = {name: 100 * value for name, value in values("mmvet").items()}
    assert ours == pytest.approx(official, abs=1e-9)
    assert {name: round(value, 1) for name, value in ours.items()} == {k: round(v, 1) for k, v in official.items()}
    assert f"{official['score']:.2f}" in result.stdout
    assert f"judged by gpt-4-0613 (gpt-4-0613), rounds: {runs}" in result.stdout
    assert "mmvet: judgements are known, and not the responses" in result.stderr
    assert not list(Path("results/it/mmvet").glob("submission*"))  # of empty answers
    assert metrics("mmvet")["counts"]["scored"] == len(MMVET)


def test_grades_in_one_line_and_from_a_run_folder() -> None:
    found = grades()
    Path("line.json").write_text(json.dumps(found), "utf-8")
    score("mmvet", "line.json")
    before = values("mmvet")
    again = CliRunner().invoke(app, ["score", "--predictions", "results/it", "--name", "again"])
    assert again.exit_code == 0, again.output
    assert metrics("mmvet", "again")["metrics"] == metrics("mmvet")["metrics"]
    assert before["score"] == pytest.approx(mmvet_summary(found, 1)["score"] / 100)


def test_the_number_counts_and_not_the_words() -> None:
    found = grades()
    contents = {"v1_0": ["The"], "v1_1": ["0.9"], "v1_2": ["0.4 |"], "v1_3": ["Correct"]}
    numbers = {"v1_0": [0.0], "v1_1": [0.3], "v1_2": [0.4], "v1_3": [1.0]}
    for key in MMVET:
        found[key] |= {"content": contents[key], "score": numbers[key]}
    score("mmvet", write_grades(found))
    assert values("mmvet")["score"] == pytest.approx((0.3 + 0.4 + 1.0) / 4)
    assert [line["judgement"]["rounds"] for line in lines("mmvet")] == [[["The"]], [["0.3"]], [["0.4 |"]], [["1.0"]]]
    assert [line["judgement"]["error"] for line in lines("mmvet")] == [None] * 4
    counts = metrics("mmvet")["counts"]
    assert (counts["scored"], counts["unparsed"], counts["errored"]) == (3, 1, 0)  # nobody reads a grade in "The"


def test_grades_that_do_not_name_their_judge() -> None:
    found = {key: {"score": its["score"]} for key, its in grades().items()}
    result = score("mmvet", write_grades(found, "mine.json"))
    assert "judged by mine.json (unknown), rounds: 1" in result.stdout


def change(found: Any, key: str, **fields: Any) -> Any:
    return {**found, key: {**found[key], **fields}}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda g: change(g, "v1_1", score=[1.5]), "score[0]: expected a grade from 0 to 1, found 1.5"),
        (lambda g: change(g, "v1_1", score=["0.5"]), 'score[0]: expected a number, found "0.5"'),
        (lambda g: change(g, "v1_1", score=[True]), "score[0]: expected a number, found true"),
        (lambda g: change(g, "v1_1", score=[]), "score: expected the grade of at least one run, found none"),
        (lambda g: change(g, "v1_1", score=0.5), "score: expected a list, found 0.5"),
        (lambda g: change(g, "v1_1", content=[]), "content: expected 1 replies, one a grade, found 0"),
        (lambda g: change(g, "v1_1", model=["gpt-4o"]), 'model[0]: expected "gpt-4-0613", which graded before'),
        (lambda g: change(g, "v1_1", score=[0, 1], content=["0", "1"]), "expected 1 grades, as the first question has"),
        (lambda g: {**g, "v1_1": "0.5"}, "v1_1: expected an object"),
        (lambda g: {key: g[key] for key in list(g)[:3]}, "1 samples without a prediction: v1_3 (--allow-missing"),
        (lambda g: {**g, "v1_9": g["v1_0"]}, "1 unknown ids: v1_9 (--allow-extra"),
        (lambda g: {f"x{key}": its for key, its in g.items()}, "none is of a sample"),
    ],
)
def test_faulty_grades_are_one_message(broken: Callable[[Any], Any], message: str) -> None:
    result = score("mmvet", write_grades(broken(grades())), code=2)
    assert message in result.stderr
    assert not Path("results/it").exists()


def test_what_may_be_otherwise_in_grades() -> None:
    found = grades()
    three = {key: found[key] for key in list(found)[:3]}
    score("mmvet", write_grades({**three, "v1_9": found["v1_0"]}), "--allow-missing", "--allow-extra")
    assert values("mmvet")["score"] == pytest.approx(sum(its["score"][0] for its in three.values()) / 4)
    assert metrics("mmvet")["counts"]["missing"] == 1


def test_the_last_grade_of_several_if_that_is_allowed() -> None:
    found = grades()
    twice = json.dumps(found)[:-1] + ', "v1_0": ' + json.dumps(change(found, "v1_0", score=[1.0])["v1_0"]) + "}"
    Path("twice.json").write_text(twice, "utf-8")
    assert "occurs twice" in score("mmvet", "twice.json", code=2).stderr
    score("mmvet", "twice.json", "--allow-duplicates")
    assert lines("mmvet")[0]["scores"]["score"] == 1.0


def reviews(pairs: Sequence[tuple[float, float]], answers: str = "a") -> Rows:
    return [
        {
            "id": f"r{key}", "question_id": key, "answer1_id": f"gpt4-{key}", "answer2_id": f"{answers}{key}",
            "category": f"llava_bench_{LLAVA[key][1]}", "content": f"{first:g} {second:g}\nAssistant 1 is fine.",
            "tuple": [first, second],
        }
        for key, (first, second) in enumerate(pairs)
    ]  # fmt: skip


def write_reviews(rows: Rows, name: str = "llava-v1.5-13b.jsonl") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def llava_summary(rows: Rows) -> dict[str, tuple[float, float, float]]:
    """What summarize_gpt_review.py makes of a file, written out, before it prints one decimal."""
    scores = defaultdict(list)
    for review in rows:
        scores[review["category"]].append(review["tuple"])
        scores["all"].append(review["tuple"])
    found = {}
    for name, its in scores.items():
        stats = [round(x, 3) for x in np.asarray(its).mean(0).tolist()]
        found[name] = stats[1] / stats[0] * 100, stats[0] * 10, stats[1] * 10
    return found


PAIRS = [(8.0, 7.0), (9.0, 8.5), (8.0, 3.0), (7.0, 10.0)]
UNREAD = [(8.0, 7.05), (8.0, 8.0), (5.0, 5.0), (-1, -1)]
TIED = [(5.01, 5.0), (5, 5), (5, 5), (5, 5)]
"""The references' mean is 5.0025, for which numpy has 5.002 and Python 5.003."""


@pytest.mark.parametrize("pairs", [PAIRS, UNREAD, TIED])
def test_reviews_give_the_numbers_of_llava_s_summary(pairs: list[tuple[float, float]]) -> None:
    rows = reviews(pairs)
    result = score("llava_wild", write_reviews(rows[::-1]))
    ours = values("llava_wild")
    for name, (relative, first, second) in llava_summary(rows).items():
        suffix = "" if name == "all" else f"/category={name.removeprefix('llava_bench_')}"
        assert round(100 * ours[f"relative{suffix}"], 9) == round(max(relative, 0) if first > 0 else 0.0, 9)
        assert round(100 * ours[f"reference{suffix}"], 1) == round(first, 1)
        assert round(100 * ours[f"answer{suffix}"], 1) == round(second, 1)
    assert "judged by llava-v1.5-13b.jsonl (unknown), rounds: 1" in result.stdout
    assert metrics("llava_wild")["counts"]["errored"] == 0


def test_a_folder_of_reviews_has_a_round_a_file() -> None:
    rounds = [reviews(PAIRS), reviews(PAIRS[::-1]), reviews([(8.0, 8.0)] * 4)]
    for number, rows in enumerate(rounds):
        write_reviews(rows, f"reviews/round{number}.jsonl")
    Path("reviews/README").write_text("notes")
    result = score("llava_wild", "reviews")
    each = [llava_summary(rows)["all"][0] for rows in rounds]
    assert 100 * values("llava_wild")["relative"] == pytest.approx(sum(each) / 3, abs=1e-9)
    assert "judged by reviews (unknown), rounds: 3" in result.stdout


def test_a_reply_without_ratings_counts_as_llava_has_it() -> None:
    rows = reviews(PAIRS)
    rows[1] |= {"content": "I cannot tell.", "tuple": [-1, -1]}
    rows[2] |= {"content": "Scores: 8 7", "tuple": [8, 7]}
    score("llava_wild", write_reviews(rows))
    assert 100 * values("llava_wild")["relative"] == pytest.approx(llava_summary(rows)["all"][0], abs=1e-9)
    rounds = [line["judgement"]["rounds"][0][0] for line in lines("llava_wild")]
    assert rounds[1:3] == ["I cannot tell.", "8.0 7.0"]
    counts = metrics("llava_wild")["counts"]
    assert (counts["scored"], counts["unparsed"], counts["errored"]) == (3, 1, 0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tuple": [8]}, ":2: tuple: expected two ratings, found 1"),
        ({"tuple": ["8", 7]}, ':2: tuple[0]: expected a number, found "8"'),
        ({"category": "llava_bench_conv"}, ':2: category: expected one of "llava_bench_detail", "detail"'),
        ({"content": 8}, ":2: content: expected a string, found 8"),
        ({"question_id": 0}, ':2: question_id: id "0" occurs twice'),
        ({"question_id": 77}, "1 samples without a prediction: 1 (--allow-missing"),
        ({"question_id": None}, ":2: question_id: expected an id"),
    ],
)
def test_faulty_reviews_are_one_message(row: dict[str, Any], message: str) -> None:
    rows = reviews(PAIRS)
    rows[1] |= row
    assert message in score("llava_wild", write_reviews(rows), code=2).stderr
    assert not Path("results/it").exists()


def test_a_folder_of_several_models_reviews_is_refused() -> None:
    write_reviews(reviews(PAIRS), "reviews/one.jsonl")
    write_reviews(reviews(PAIRS, answers="b"), "reviews/two.jsonl")
    said = score("llava_wild", "reviews", code=2).stderr
    assert 'two.jsonl:1: answer2_id: expected a review of answer "a0", as in one.jsonl, found one of "b0"' in said
    write_reviews([{"question_id": key, "text": "x"} for key in LLAVA], "reviews/two.jsonl")
    assert "two.jsonl:1: tuple: expected a list, found no such field" in score("llava_wild", "reviews", code=2).stderr
    write_reviews(reviews(PAIRS)[:3], "reviews/two.jsonl")
    said = score("llava_wild", "reviews", "--allow-missing", code=2).stderr
    assert "two.jsonl: expected reviews of the same questions as in one.jsonl; 3 differ" in said


def test_nobody_can_judge_responses_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    path = write_grades(grades())
    message = "--judge gpt-4: mmvet: judgements are known, and not the responses"
    assert message in score("mmvet", path, "--judge", "gpt-4", code=2).stderr
    assert not Path("results/it").exists()
    score("mmvet", path)
    words = ["score", "--predictions", "results/it", "--judge", "gpt-4", "--name", "again"]
    result: Any = CliRunner().invoke(app, words)
    assert (result.exit_code, message in result.stderr) == (2, True)


def test_files_of_responses_are_still_responses() -> None:
    Path("answers.json").write_text(json.dumps(dict.fromkeys(MMVET, 'has "score" in it'), indent=1), "utf-8")
    assert "4 of 4 responses await a judge" in score("mmvet", "answers.json", code=5).stderr
    write_reviews([{"question_id": key, "text": "x"} for key in LLAVA], "answers.jsonl")
    assert "4 of 4 responses await a judge" in score("llava_wild", "answers.jsonl", "--fresh", code=5).stderr


def test_tasks_show_tells_of_them() -> None:
    for task, words in (("mmvet", "model, content, score"), ("llava_wild", "question_id, content, tuple")):
        shown: Any = CliRunner().invoke(app, ["tasks", "show", task, "--data", "data"])
        assert words in shown.stdout
