"""MM-Vet: the judge's prompt to the letter, its replies, the evaluator's aggregation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from answering import answered, data_root, values, write_json, write_lines
from judged_data import MMVET, write_mmvet

from sqeval.errors import DataError
from sqeval.records import Record
from sqeval.task import Sample
from sqeval_tasks.mmvet import MMVet, grade

TASK = MMVet()
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "judge_prompts.json").read_text("utf-8"))


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    return TASK.samples(data_root(write_mmvet(tmp_path)))


def test_the_question_is_asked_plainly(samples: list[Sample]) -> None:
    assert TASK.prompt(samples[0]) == "What is x in the equation?"
    assert samples[0].cluster == "mmvet/images/v1_0.png"
    assert samples[3].tags == {"capabilities": "ocr_math"} == samples[0].tags
    assert TASK.settings.max_new_tokens == 1024


def test_the_judge_s_prompt_is_the_evaluator_s(samples: list[Sample]) -> None:
    inquiry = TASK.inquire("x = -1", samples[0], [])
    assert inquiry is not None
    row = "What is x in the equation? | -1 <AND> -5 | x = -1 | "
    assert inquiry.messages == (("user", GOLDEN["mmvet_prompt"] + "\n" + row),)
    assert (inquiry.max_tokens, inquiry.temperature) == (3, 0.0)
    again = TASK.inquire("x = -1", samples[0], ["No"])
    assert again is not None
    assert again.messages == (("user", GOLDEN["mmvet_prompt"] + "\n" + row + GOLDEN["mmvet_retry_suffix"]),)
    either = TASK.inquire("", samples[1], [])
    assert either is not None
    assert either.messages[0][1].endswith("\nWhat is sold? | apples <OR> pears |  | ")


def test_a_round_ends_with_a_grade_or_after_five_replies(samples: list[Sample]) -> None:
    """The evaluator raises the temperature after each further call: 0, 0, 0.5, 1, 1.5."""
    assert TASK.inquire("x", samples[0], ["?", "0.4"]) is None
    asked = [TASK.inquire("x", samples[0], ["?"] * n) for n in range(6)]
    assert [inquiry and inquiry.temperature for inquiry in asked] == [0.0, 0.0, 0.5, 1.0, 1.5, None]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("0.5", 0.5),
        ("1", 1.0),
        ("0.0\n", 0.0),
        ("0.3 |", 0.3),
        ("0.3|", None),
        (" 0.3", None),  # the text before the first space is empty
        ("1.1", None),
        ("-0.1", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("Correct", None),
    ],
)
def test_a_grade_is_the_number_before_the_first_space(reply: str, expected: float | None) -> None:
    assert grade(reply) == expected


def judged(samples: Sequence[Sample], rounds: Sequence[Sequence[str]]) -> list[Record]:
    """Records as a run has them after judging: `rounds` has the final replies of each sample."""
    plain = answered(TASK, samples, lambda sample: "x")
    scores = [TASK.judged(sample, [[reply] for reply in its]) for sample, its in zip(samples, rounds, strict=True)]
    return [r.but(parsed=s.parsed, scores=s.values) for r, s in zip(plain, scores, strict=True)]


def test_a_response_has_no_score_before_it_is_judged(samples: list[Sample]) -> None:
    assert TASK.score("x", samples[0]).values == {}
    assert TASK.score(None, samples[0]).values == {"score": 0.0}


def test_capabilities_overlap_and_combinations_do_not(samples: list[Sample]) -> None:
    records = judged(samples, [["0.5"], ["1.0"], ["0.3"], ["0.0"]])
    assert values(TASK, records) == pytest.approx(
        {
            "score": 1.8 / 4,
            "score/capability=rec": 1.3 / 2,
            "score/capability=ocr": 0.25,
            "score/capability=know": 0.3,
            "score/capability=gen": 0.3,
            "score/capability=math": 0.25,
            "score/integration=rec": 1.0,
            "score/integration=rec_know_gen": 0.3,
            "score/integration=ocr_math": 0.25,
        }
    )


def test_several_rounds_are_averaged_and_spread(samples: list[Sample]) -> None:
    table = [["0.5", "0.7"], ["1.0", "1.0"], ["0.3", "?"], ["0.0", "0.1"]]
    found = values(TASK, records := judged(samples, table))
    totals = np.array([[0.5, 0.7], [1.0, 1.0], [0.3, 0.0], [0.0, 0.1]]).mean(axis=0)
    assert found["score"] == pytest.approx(totals.mean())
    assert found["std"] == pytest.approx(totals.std())
    assert [record.parsed for record in records] == ["0.5, 0.7", "1, 1", None, "0, 0.1"]


def test_official_and_llava_s_files(samples: list[Sample], tmp_path: Path) -> None:
    official = {key: f"answer: {key}" for key in MMVET}
    assert TASK.read_predictions(write_json(tmp_path, "o.json", official), samples) == official
    (tmp_path / "line.json").write_text(json.dumps(official))
    assert TASK.read_predictions(tmp_path / "line.json", samples) == official
    lines = [{"question_id": int(key[3:]), "prompt": "?", "text": text} for key, text in official.items()]
    assert TASK.read_predictions(write_lines(tmp_path, "l.jsonl", lines), samples) == official
    suffix, content = TASK.submission(answered(TASK, samples, lambda sample: official[sample.id]))
    (tmp_path / f"s{suffix}").write_bytes(content)
    assert TASK.read_predictions(tmp_path / "s.json", samples) == official
    with pytest.raises(DataError, match="1 samples without a prediction: v1_3"):
        TASK.read_predictions(write_json(tmp_path, "o.json", dict(list(official.items())[:3])), samples)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"capability": ["taste"]}, r"mm-vet.json:\d+: capability: expected some of rec, ocr, .*, found taste"),
        ({"capability": []}, r"capability: expected some of .* found none"),
        ({"answer": 5}, r"answer: expected a string, found 5"),
        ({"imagename": "../x.png"}, r"imagename: .*leaves the data root"),
    ],
)
def test_malformed_records(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    path = write_mmvet(tmp_path) / "mmvet" / "mm-vet.json"
    table = json.loads(path.read_text())
    table["v1_1"] |= change
    write_json(tmp_path, "mmvet/mm-vet.json", table)
    with pytest.raises(DataError, match=expected):
        TASK.samples(data_root(tmp_path))
