"""MMBench's files: languages, data versions, the hidden test set and its spreadsheet, splits in the report."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest
from answering import answered, data_root, values
from hypothesis import given
from hypothesis import strategies as st

from sqeval.data.check import check_task
from sqeval.data.xlsx import read_xlsx
from sqeval.errors import DataError, UserError
from sqeval.task import Sample
from sqeval_tasks import mmbench
from sqeval_tasks.mmbench import PASS, MMBench
from sqeval_tasks.mmbench_cn import MMBenchCN

EN, CN = MMBench(), MMBenchCN()
OPTIONS = ["cat", "dog", "cow"]
IMAGE = "AAAA"


def rotations(number: int, passes: int = 3, **fields: str) -> list[dict[str, str]]:
    """A question with `passes` rotations of its options; the cow is right."""
    rows = []
    for k in range(passes):
        turned = OPTIONS[k:] + OPTIONS[:k]
        letters = dict(zip("ABC", turned, strict=True))
        rows.append(
            {
                "index": str(number + k * PASS), "question": f"What is {number}?", "hint": "", **letters, "D": "",
                "answer": "ABC"[turned.index("cow")], "category": "identity", "image": str(number) if k else IMAGE,
                "source": "s", "l2-category": "CP", "comment": "", "split": "dev", **fields,
            }
        )  # fmt: skip
    return rows


def write(root: Path, rows: list[dict[str, str]], name: str = "MMBench_DEV_EN.tsv", drop: tuple[str, ...] = ()) -> None:
    (root / "mmbench").mkdir(exist_ok=True)
    columns = [column for column in rows[0] if column not in drop]
    with (root / "mmbench" / name).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, delimiter="\t", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def test_the_chinese_prompt(tmp_path: Path) -> None:
    write(tmp_path, rotations(1, question="这是什么？", hint="看。"), "mmbench_dev_cn_20231003.tsv")
    first, *_ = CN.samples(data_root(tmp_path))
    assert CN.prompt(first) == "看。\n这是什么？\nA. cat\nB. dog\nC. cow\n请直接回答选项字母。"
    assert CN.settings.max_new_tokens == 1024


def test_each_language_has_its_files(tmp_path: Path) -> None:
    root = data_root(tmp_path)
    write(tmp_path, rotations(1), "mine.tsv")
    assert len(EN.samples(root)) == 3
    with pytest.raises(UserError, match=r"mmbench_dev_cn_20231003.tsv is missing"):
        CN.samples(root)
    assert [wanted.path for wanted in check_task(CN, root).missing] == ["mmbench/mmbench_dev_cn_20231003.tsv"]
    (tmp_path / "mmbench" / "mine.tsv").unlink()
    write(tmp_path, rotations(1), "MMBench_DEV_CN.tsv")
    assert len(CN.samples(root)) == 3
    assert [wanted.path for wanted in check_task(EN, root).missing] == ["mmbench/mmbench_dev_20230712.tsv"]
    assert not check_task(CN, root).missing


def test_several_unknown_files_are_a_problem_and_no_crash(tmp_path: Path) -> None:
    for name in ("a.tsv", "b.tsv"):
        write(tmp_path, rotations(1), name)
    assert "several files (a.tsv, b.tsv)" in str(check_task(EN, data_root(tmp_path)).problem)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (4_377, "dev 20230712: 1,176 questions, LLaVA's tables"),
        (4_329, "dev 1.0, current: 1,164 questions"),
        (6_718, "test 20230712"),
        (6_666, "test 1.0, current: 1,784 questions"),
    ],
)
def test_the_number_of_rows_tells_the_data_version(tmp_path: Path, rows: int, words: str) -> None:
    write(tmp_path, [row for i in range(rows) for row in rotations(i + 1, 1)])
    root = data_root(tmp_path)
    assert EN.data_version(root, EN.samples(root)) == f"MMBench_DEV_EN.tsv ({words})"


def test_the_checksum_tells_a_version_of_unknown_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, rotations(1))
    root = data_root(tmp_path)
    assert EN.data_version(root, EN.samples(root)) == "MMBench_DEV_EN.tsv"
    digest = hashlib.md5((tmp_path / "mmbench" / "MMBench_DEV_EN.tsv").read_bytes()).hexdigest()
    monkeypatch.setitem(mmbench.MD5, digest, "dev 1.1")
    assert EN.data_version(root, EN.samples(root)) == "MMBench_DEV_EN.tsv (dev 1.1)"


def test_the_report_has_a_part_for_every_split(tmp_path: Path) -> None:
    rows = [
        *rotations(1), *rotations(2, split="test"), *rotations(3, 2, category="action", split="test"),
        *rotations(4, **{"l2-category": "LR"}),
    ]  # fmt: skip
    write(tmp_path, rows)
    found = EN.samples(data_root(tmp_path))
    records = answered(EN, found, lambda s: "A" if s.id in (str(2 + PASS), "4") else EN.gold(s))
    got = values(EN, records)
    assert got == {
        "circular": 0.5, "vanilla": 0.75,
        "circular/l2=CP": pytest.approx(2 / 3), "circular/l2=LR": 0.0,
        "circular/l3=action": 1.0, "circular/l3=identity": pytest.approx(1 / 3),
        "circular/split=dev": 0.5, "circular/split=dev/l2=CP": 1.0, "circular/split=dev/l2=LR": 0.0,
        "circular/split=dev/l3=identity": 0.5,
        "circular/split=test": 0.5, "circular/split=test/l2=CP": 0.5, "circular/split=test/l3=action": 1.0,
        "circular/split=test/l3=identity": 0.0,
        "vanilla/l2=CP": 1.0, "vanilla/l2=LR": 0.0, "vanilla/l3=action": 1.0,
        "vanilla/l3=identity": pytest.approx(2 / 3),
        "vanilla/split=dev": 0.5, "vanilla/split=dev/l2=CP": 1.0, "vanilla/split=dev/l2=LR": 0.0,
        "vanilla/split=dev/l3=identity": 0.5,
        "vanilla/split=test": 1.0, "vanilla/split=test/l2=CP": 1.0, "vanilla/split=test/l3=action": 1.0,
        "vanilla/split=test/l3=identity": 1.0,
    }  # fmt: skip


def test_one_split_is_one_row(tmp_path: Path) -> None:
    write(tmp_path, rotations(1))
    records = answered(EN, EN.samples(data_root(tmp_path)), EN.gold)
    assert [name for name in values(EN, records) if "split" in name] == ["circular/split=dev", "vanilla/split=dev"]


def hidden(root: Path) -> list[Sample]:
    write(root, [*rotations(1), *rotations(2, 2)], "MMBench_TEST_EN.tsv", drop=("answer",))
    return EN.samples(data_root(root))


def test_the_test_set_has_no_score_and_a_spreadsheet(tmp_path: Path) -> None:
    found = hidden(tmp_path)
    assert EN.gold(found[0]) == ""
    version = "MMBench_TEST_EN.tsv (no score: the answers are not public)"
    assert EN.data_version(data_root(tmp_path), found) == version
    records = answered(EN, found, lambda s: None if s.id == "2" else "=B. dog\n")
    assert [(metric.name, len(metric.ids)) for metric in EN.metrics(records)] == [("circular", 0), ("vanilla", 0)]
    suffix, content = EN.submission(records)
    path = tmp_path / f"submission{suffix}"
    path.write_bytes(content)
    rows = [entry.value for entry in read_xlsx(path)]
    assert list(rows[0]) == ["index", "question", "A", "B", "C", "D", "prediction", "split"]
    assert rows[0] == {
        "index": "1", "question": "What is 1?", "A": "cat", "B": "dog", "C": "cow", "D": "",
        "prediction": "=B. dog\n", "split": "dev",
    }  # fmt: skip
    assert [row["index"] for row in rows] == [sample.id for sample in found]
    assert [row["prediction"] for row in rows if row["index"] == "2"] == [""]
    assert EN.submission(records) == (suffix, content)


def test_an_uploaded_spreadsheet_scores_as_the_run_did(tmp_path: Path) -> None:
    write(tmp_path, [*rotations(1), *rotations(2)])
    found = EN.samples(data_root(tmp_path))
    records = answered(EN, found, lambda s: "dog" if s.id == "2" else EN.gold(s))
    suffix, content = EN.submission(records)
    path = tmp_path / f"submission{suffix}"
    path.write_bytes(content)
    assert [entry.value["answer"] for entry in read_xlsx(path)] == [EN.gold(sample) for sample in found]
    read = EN.read_predictions(path, found)
    assert values(EN, answered(EN, found, lambda s: read[s.id])) == values(EN, records)
    with pytest.raises(DataError, match=r"submission.xlsx: .*1 unknown ids: 2000002"):
        EN.read_predictions(path, found[:-1])


def test_a_development_set_is_hidden_in_no_row(tmp_path: Path) -> None:
    write(tmp_path, [*rotations(1), *rotations(2, 1, answer="")])
    with pytest.raises(DataError, match=r"tsv:5: answer: expected one of"):
        EN.samples(data_root(tmp_path))


@given(st.permutations(range(3)), st.sampled_from(["B. dog", "cow", "A", "the cow", "?"]), st.data())
def test_the_order_of_the_passes_keeps_the_circular_score(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], text: str, data: st.DataObject
) -> None:
    """Whichever rotation is called the first, and whichever way its options are permuted with the answers."""
    passes = rotations(1)
    said = data.draw(st.lists(st.sampled_from([text, "cow", "It is a cow."]), min_size=3, max_size=3))

    def score(numbers: list[int]) -> float:
        root = tmp_path_factory.mktemp("passes")
        rows = [{**passes[n], "index": str(1 + k * PASS), "image": IMAGE} for k, n in enumerate(numbers)]
        write(root, rows)
        found = EN.samples(data_root(root))
        return values(EN, answered(EN, found, lambda s: said[numbers[int(s.id) // PASS]]))["circular"]

    assert score(order) == score([0, 1, 2])


@given(
    st.permutations(["teddy bear", "rabbit", "cat", "dog"]), st.sampled_from(["cat", "It's a rabbit", "Z", "a bird"])
)
def test_permuting_the_options_permutes_the_letter(options: list[str], response: str) -> None:
    """What is answered by text is the same option, wherever it stands."""
    from sqeval.scoring.choice import mmbench_letter

    here = dict(zip("ABCD", options, strict=True))
    there = dict(zip("ABCD", sorted(options), strict=True))
    one, other = mmbench_letter(response, here), mmbench_letter(response, there)
    assert here.get(one or "") == there.get(other or "")
