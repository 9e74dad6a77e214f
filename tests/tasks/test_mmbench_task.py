"""MMBench: rows, images by index, circular evaluation, and the official development sets' names."""

from __future__ import annotations

import base64
import csv
import random
from pathlib import Path

import pytest
from answering import a_third_wrong, answered, data_root, values

from sqeval.data.root import resolve_root
from sqeval.errors import DataError, UserError
from sqeval.task import Sample
from sqeval_tasks.mmbench import PASS, MMBench

TASK = MMBench()
COLUMNS = ["index", "question", "hint", "A", "B", "C", "D", "answer", "category", "image", "source", "l2-category"]
ANIMALS = ["cat", "dog", "cow", "None"]
IMAGES = [base64.b64encode(bytes([i]) * 100).decode() for i in range(3)]


def row(index: int, shift: int = 0, image: str = IMAGES[0], **fields: str) -> dict[str, str]:
    """A question with three options (the fourth is missing), rotated by `shift`; the cow is right."""
    options = ANIMALS[:3][shift:] + ANIMALS[:3][:shift]
    letters = dict(zip("ABC", options, strict=True))
    answer = next(letter for letter, text in letters.items() if text == "cow")
    return {
        "index": str(index), "question": "What is\tit?", "hint": "nan", **letters, "D": "None", "answer": answer,
        "category": "identity", "image": image, "source": "s", "l2-category": "CP", **fields,
    }  # fmt: skip


ROWS = [
    row(1), row(1 + PASS, 1, image="1"), row(1 + 2 * PASS, 2),
    row(2, hint="Look."), row(2 + PASS, 1),
    row(3, image=IMAGES[1], category="action"),
]  # fmt: skip


def write(root: Path, rows: list[dict[str, str]] = ROWS, name: str = "mmbench_dev_20230712.tsv") -> None:
    (root / "mmbench").mkdir(exist_ok=True)
    with (root / "mmbench" / name).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)


def samples(root: Path, rows: list[dict[str, str]] = ROWS) -> list[Sample]:
    write(root, rows)
    return TASK.samples(data_root(root))


def test_prompt_stops_at_the_first_missing_option(tmp_path: Path) -> None:
    first, _, _, hinted, *_ = samples(tmp_path)
    rest = "What is\tit?\nA. cat\nB. dog\nC. cow\nAnswer with the option's letter from the given choices directly."
    assert TASK.prompt(first) == rest
    assert TASK.prompt(hinted) == "Look.\n" + rest
    assert TASK.settings.max_new_tokens == 1024


def test_options_after_a_missing_one_are_read_and_not_asked(tmp_path: Path) -> None:
    """LLaVA's prompt stops there, the official matcher goes on."""
    (sample,) = samples(tmp_path, [row(1, B="None", answer="C")])
    assert "A. cat\nAnswer with" in TASK.prompt(sample)
    assert TASK.score("C", sample).values == {"accuracy": 1.0}


@pytest.mark.parametrize("text", ["NA", "null", "N/A", "NONE", "Nan", ""])
def test_texts_that_the_official_reader_takes_for_missing(tmp_path: Path, text: str) -> None:
    (sample,) = samples(tmp_path, [row(1, hint=text, C=text, answer="A")])
    assert sample.metadata == {"options": {"A": "cat", "B": "dog"}, "hint": ""}


def test_images_are_told_apart_by_content(tmp_path: Path) -> None:
    found = samples(tmp_path)
    assert len({sample.image.key for sample in found if sample.image}) == 2
    assert found[1].image is found[0].image
    assert len({sample.cluster for sample in found[:5]}) == 1
    assert found[5].cluster != found[0].cluster


def test_all_passes_of_a_question_share_its_cluster(tmp_path: Path) -> None:
    recoded = samples(tmp_path, [row(1), row(1 + PASS, 1, image=IMAGES[2])])
    assert recoded[0].cluster == recoded[1].cluster
    assert recoded[0].image != recoded[1].image


def test_one_wrong_pass_makes_the_question_wrong(tmp_path: Path) -> None:
    found = samples(tmp_path)
    records = answered(TASK, found, lambda s: "A" if s.id == str(1 + PASS) else TASK.gold(s))
    assert values(TASK, records) == {
        "circular": pytest.approx(2 / 3), "vanilla": 1.0, "circular/l2=CP": pytest.approx(2 / 3),
        "circular/l3=action": 1.0, "circular/l3=identity": 0.5,
        "vanilla/l2=CP": 1.0, "vanilla/l3=action": 1.0, "vanilla/l3=identity": 1.0,
    }  # fmt: skip
    circular = TASK.metrics(records)[0]
    assert list(circular.ids) == ["1", "2", "3"]


def test_a_constant_letter_scores_nothing_on_rotated_questions(tmp_path: Path) -> None:
    for letter in "ABCD":
        assert values(TASK, answered(TASK, samples(tmp_path, ROWS[:5]), lambda s, a=letter: a))["circular"] == 0.0


def test_renumbering_the_passes_keeps_the_circular_score() -> None:
    """Which rotation is called the first does not matter for circular evaluation."""
    found = TASK.samples(resolve_root("mini"))
    records = a_third_wrong(TASK, found)
    before = values(TASK, records)["circular"]
    groups: dict[int, list[int]] = {}
    for i, record in enumerate(records):
        groups.setdefault(int(record.id) % PASS, []).append(i)
    turned = list(records)
    for members in groups.values():
        shift = random.Random(members[0]).randrange(len(members))
        for i, j in zip(members, members[shift:] + members[:shift], strict=True):
            scores = records[j].scores
            turned[i] = records[i].with_scores(scores)
    assert values(TASK, turned)["circular"] == before
    assert before not in (0.0, 1.0)


def test_the_development_set_of_the_tables_is_preferred(tmp_path: Path) -> None:
    write(tmp_path, ROWS, "MMBench_DEV_CN.tsv")
    write(tmp_path, ROWS[:5], "MMBench_DEV_EN.tsv")
    five = TASK.samples(data_root(tmp_path))
    assert (len(five), TASK.data_version(data_root(tmp_path), five)) == (5, "MMBench_DEV_EN.tsv")
    write(tmp_path, ROWS[:3])
    three = TASK.samples(data_root(tmp_path))
    assert (len(three), TASK.data_version(data_root(tmp_path), three)) == (3, "mmbench_dev_20230712.tsv")


def test_unknown_files_are_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mmbench_dev_20230712\.tsv is missing"):
        TASK.samples(data_root(tmp_path))
    write(tmp_path, ROWS, "mine.tsv")
    assert len(TASK.samples(data_root(tmp_path))) == len(ROWS)
    write(tmp_path, ROWS, "other.tsv")
    with pytest.raises(UserError, match=r"several files \(mine.tsv, other.tsv\)"):
        TASK.samples(data_root(tmp_path))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"index": "x"}, r"tsv:2: index: expected a row number"),
        ({"answer": "E"}, r":2: answer: expected one of"),
        ({"image": "not base64!"}, r":2: image: expected an image in base64"),
        ({"image": ""}, r":2: image: expected an image in base64"),
        ({"image": "77"}, r":2: image: expected an image in base64 or the index of a row, found 77"),
        ({"image": "1"}, r":2: image: expected an image in base64 or the index of a row that has one"),
        (dict.fromkeys("ABCD", ""), r":2: A: expected at least one option"),
    ],
)
def test_malformed_rows(tmp_path: Path, change: dict[str, str], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        samples(tmp_path, [{**row(1), **change}])


def test_double_and_missing_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r":3: index: id 1 occurs twice"):
        samples(tmp_path, [row(1), row(1)])
    (tmp_path / "mmbench" / "mmbench_dev_20230712.tsv").write_text("index\tquestion\n1\tWhat?\n")
    with pytest.raises(DataError, match=r":2: image: expected a string, found no such field"):
        TASK.samples(data_root(tmp_path))
