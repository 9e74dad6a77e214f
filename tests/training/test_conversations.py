"""Conversation files: read in one pass whatever their form and size, every mistake named, samples found again."""

from __future__ import annotations

import json
import multiprocessing
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqllava.conversation import Turn, template
from sqllava.training import json_stream
from sqllava.training.conversations import Conversation, ConversationFile, TrainingDataError, read_json

GOOD = {"conversations": [{"from": "human", "value": "x"}, {"from": "gpt", "value": "y"}]}


def written(path: Path, value: Any, **how: Any) -> Path:
    path.write_text(json.dumps(value, **how), encoding="utf-8")
    return path


def with_turns(*turns: tuple[str, str], **fields: Any) -> dict[str, Any]:
    return {"id": "a", "conversations": [{"from": who, "value": text} for who, text in turns], **fields}


def expected(sample: dict[str, Any]) -> Conversation:
    """What LLaVA's format means, for samples as `samples` draws them."""
    roles = {"human": "user", "gpt": "assistant", "vuser": "vuser"}
    turns = [Turn(roles[turn["from"]], turn["value"]) for turn in sample["conversations"]]  # type: ignore[arg-type]
    return Conversation(str(sample.get("id", "")), sample.get("image"), tuple(turns))


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda value: "<image>" not in value)
pairs = st.lists(st.tuples(st.sampled_from(["human", "vuser"]), text, text), min_size=1, max_size=3)
samples = st.lists(
    st.builds(
        lambda given, fields: with_turns(*(t for who, q, a in given for t in ((who, q), ("gpt", a))), **fields),
        pairs,
        st.sampled_from([{}, {"image": "a/b.png"}, {"id": 7, "model": {"nested": [1, 2.5, None, True]}}]),
    ),
    min_size=1,
    max_size=4,
)


@given(samples, st.booleans(), st.booleans(), st.sampled_from([None, 2]), st.booleans(), st.integers(7, 90))
@settings(max_examples=150, deadline=None)
def test_any_layout_reads_as_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, given: list[dict[str, Any]], lines: bool, ascii_only: bool,
    indent: int | None, mark: bool, chunk: int,
) -> None:  # fmt: skip
    if lines:
        written_text = "\n".join(json.dumps(sample, ensure_ascii=ascii_only) for sample in given) + "\n"
    else:
        written_text = json.dumps(given, ensure_ascii=ascii_only, indent=indent)
    path = tmp_path_factory.mktemp("data") / "train.json"
    path.write_bytes(written_text.encode("utf-8-sig" if mark else "utf-8"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "CHUNK", chunk)  # every token is cut somewhere
        file = ConversationFile(path)
    assert list(file) == [expected(sample) for sample in given]
    assert file.has_image.tolist() == ["image" in sample for sample in given]
    assert file.lengths.tolist() == [sum(len(t["value"]) for t in sample["conversations"]) for sample in given]


@pytest.mark.parametrize(
    ("sample", "named"),
    [
        ("text", "expected an object with conversations, found str"),
        ({"id": "a"}, "conversations: expected a list of turns"),
        ({"conversations": []}, "conversations: expected a list of turns"),
        (with_turns(("gpt", "x")), r"conversations\[0\]: expected a text `value` `from` 'human' or 'vuser'"),
        (with_turns(("human", "x"), ("human", "y")), r"conversations\[1\]: .* 'gpt', found from 'human'"),
        (with_turns(("human", "x"), ("system", "y")), r"conversations\[1\]: .* 'gpt', found from 'system'"),
        ({"conversations": [{"from": "human", "value": 3}]}, r"conversations\[0\]"),
        ({"conversations": ["x"]}, r"conversations\[0\]"),
        (with_turns(("human", "x"), image="../x.png"), "image: expected a path inside the data root"),
        (with_turns(("human", "x"), image="/x.png"), "image: expected a path inside the data root"),
        (with_turns(("human", "x"), image=""), "image: expected a path inside the data root"),
        (with_turns(("human", "x"), image=3), "image: expected a path inside the data root"),
        (with_turns(("human", "<image> x")), r"conversations\[0\]: holds <image>, but the sample has no `image`"),
        (with_turns(("human", "x"), ("gpt", "<image>"), image="x.png"), r"conversations\[1\]: .*in the first turn"),
        (with_turns(("human", "<image><image>"), image="x.png"), r"conversations\[0\]: expected one <image>"),
        (with_turns(("human", "\ud800")), r"conversations\[0\]: text that is not Unicode"),
    ],
)
@pytest.mark.parametrize("lines", [False, True])
def test_bad_samples_are_named(tmp_path: Path, sample: Any, named: str, lines: bool) -> None:
    rows = [json.dumps(value) for value in (GOOD, sample, GOOD)]
    path = tmp_path / "train.json"
    path.write_text("\n".join(rows) if lines else "[" + ",\n".join(rows) + "]", encoding="utf-8")
    with pytest.raises(TrainingDataError, match=rf"train\.json: sample 1 \(line 2\): .*{named}"):
        ConversationFile(path)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "found none"),
        (b"[]", "found none"),
        (b"[" + json.dumps(GOOD).encode(), "line 1: the file ends after sample 0"),
        (json.dumps([GOOD]).encode()[:-20], "line 1: sample 0 is not valid JSON"),
        (json.dumps([GOOD, GOOD]).encode().replace(b"]}, {", b"]} {"), "expected ',' after sample 0, found '{'"),
        (b"[" + json.dumps(GOOD).encode() + b",\n]", "line 2: sample 1 is not valid JSON"),
        (json.dumps([GOOD]).encode() + b" x", "expected the end of the file"),
        (json.dumps(GOOD).encode() * 2, "expected one sample a line"),
        (b'[{"id": "a\nb"}]', "sample 0 is not valid JSON: Invalid control character"),
        (b'\n\n[{"id": \xff}]', "not UTF-8 text near byte 10"),
        (json.dumps([GOOD]).encode("utf-16"), "not UTF-8 text"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_not_json_is_named_with_its_line(tmp_path: Path, content: bytes, named: str) -> None:
    path = tmp_path / "train.json"
    path.write_bytes(content)
    with pytest.raises(TrainingDataError, match=named):
        ConversationFile(path)


def test_a_file_that_is_no_list_of_samples_is_noticed_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "LARGEST", 10_000)
    monkeypatch.setattr(json_stream, "CHUNK", 1000)
    path = written(tmp_path / "train.json", {"samples": [GOOD] * 10_000})
    with pytest.raises(TrainingDataError, match="sample 0 is too long: expected a list of samples"):
        ConversationFile(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    for read in (ConversationFile, read_json):
        with pytest.raises(TrainingDataError, match=r"none\.json is missing"):
            read(tmp_path / "none.json")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    line = json.dumps(with_turns(("human", "x" * 5000), ("gpt", "y" * 5000))) + "\n"
    path.write_text(line * 3000, encoding="utf-8")  # 30 MB
    tracemalloc.start()
    file = ConversationFile(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(file) == 3000
    assert peak < 8 * json_stream.CHUNK


def test_images_are_looked_up_in_their_folder(tmp_path: Path) -> None:
    path = written(tmp_path / "train.json", [with_turns(("human", "x"), image="a.png"), GOOD])
    assert [sample.image for sample in ConversationFile(path, "coco/train")] == ["coco/train/a.png", None]


@pytest.mark.parametrize("first", ["What is it?\n<image>", "<image>\nWhat is it?", "What is it?", "What <image>is it?"])
def test_the_image_placeholder_is_moved_by_the_template(tmp_path: Path, first: str) -> None:
    path = written(tmp_path / "train.json", [with_turns(("human", first), ("gpt", "A star."), image="x.png")])
    (sample,) = ConversationFile(path)
    assert "USER: <image>\nWhat is it? ASSISTANT: A star.</s>" in template("v1").render(sample.turns, image=True).text


def test_a_leading_answer_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "train.json", [with_turns(("gpt", "Hello!"), ("human", "Hi"), ("gpt", "Yes?"))])
    assert ConversationFile(path)[0].turns == (Turn("user", "Hi"), Turn("assistant", "Yes?"))


def test_a_file_that_changed_under_the_training_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path / "train.json", [GOOD, GOOD])
    file = ConversationFile(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(TrainingDataError, match="sample 1 has changed since training began"):
        file[1]
    path.unlink()
    with pytest.raises(TrainingDataError, match="sample 0 has changed since training began"):
        file[0]


def _ids(file: ConversationFile, start: int) -> list[str]:
    return [file[i].id for i in range(start, len(file), 2)]


def test_processes_read_one_file_at_once(tmp_path: Path) -> None:
    count = 400
    path = written(tmp_path / "train.json", [{**GOOD, "id": str(i)} for i in range(count)])
    file = ConversationFile(path)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        even, odd = pool.starmap(_ids, [(file, 0), (file, 1)])
    assert even == [str(i) for i in range(0, count, 2)]
    assert odd == [str(i) for i in range(1, count, 2)]


def test_somebodys_html_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    turns = [
        {"from": "human", "value": "What does <image> mean in RSS?"},
        {"from": "gpt", "value": "<image> names it."},
    ]
    path.write_text(json.dumps([{"id": "a", "conversations": turns}]), encoding="utf-8")
    (sample,) = ConversationFile(path)
    rendered = template("v1").render(sample.turns, image=False).text
    assert "<image>" not in rendered
    assert "What does <image > mean" in rendered
