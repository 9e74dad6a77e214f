"""The tasks as lmms-eval has them: its prompts to the letter, its settings, its scores through the tasks."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from answering import answered, data_root, values, write_json
from judged_data import write_llava_wild, write_mmvet

from sqeval.data.root import resolve_root
from sqeval.model import Settings
from sqeval.registry import get_task
from sqeval.task import Sample
from sqeval_tasks.llava_wild import UNREAD
from sqeval_tasks.protocols.lmms.mmvet import PREFIX, PROMPT

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "lmms_cases.json").read_text("utf-8"))
PROMPTS = GOLDEN["prompts"]
SHORT = "Answer the question using a single word or phrase."


def task(name: str) -> Any:
    return get_task(name, "lmms")


def sample(reference: Any = None, question: str = "What is it?", **metadata: Any) -> Sample:
    return Sample("1", None, question, reference, "image", metadata=metadata)


def test_prompts() -> None:
    letters = {"A": "cat", "B": "dog"}
    found = {
        "mmbench": task("mmbench").prompt(sample(options=letters, hint="")),
        "mmbench_hint": task("mmbench").prompt(sample(options=letters | {"C": "cow"}, hint="It barks.")),
        "mmbench_cn": task("mmbench_cn").prompt(sample(options=letters, hint="")),
        "scienceqa": task("scienceqa").prompt(sample(question="Which  one?", choices=["x", "y  z"], hint="A  hint.")),
        "scienceqa_plain": task("scienceqa").prompt(sample(question="Which one?", choices=["x", "y"], hint="")),
        "textvqa": task("textvqa").prompt(sample(question="what is the BRAND?", ocr=["a"])),
    }
    assert found == PROMPTS
    for name in ("vqav2", "gqa", "pope"):
        assert task(name).prompt(sample()) == f"What is it?\n{SHORT}"
    assert task("mmvet").prompt(sample()) == PREFIX + "What is it?"
    for name in ("flickr30k", "nocaps"):
        assert task(name).prompt(sample()) == "Provide a one-sentence caption for the provided image."


def test_settings() -> None:
    limits = {
        "vqav2": 16, "gqa": 16, "scienceqa": 16, "pope": 128, "mmbench": 1024, "mmbench_cn": 256, "vizwiz": 1024,
        "textvqa": 1024, "coco_caption": 64, "flickr30k": 64, "nocaps": 64, "llava_wild": 4096,
    }  # fmt: skip
    assert {name: task(name).settings for name in limits} == {n: Settings(most) for n, most in limits.items()}
    assert task("mmvet").settings == Settings(1024, temperature=0.2)


def test_coco_s_splits_are_asked_in_different_words(tmp_path: Path) -> None:
    coco = task("coco_caption")
    karpathy = coco.samples(resolve_root("mini"))
    assert {coco.prompt(one) for one in karpathy} == {"Describe the image briefly."}
    image = {"id": 7, "file_name": "COCO_val2014_000000000007.jpg"}
    caption = {"image_id": 7, "id": 1, "caption": "A café."}
    write_json(tmp_path, "coco/annotations/captions_val2014.json", {"images": [image], "annotations": [caption]})
    (only,) = coco.samples(data_root(tmp_path))
    assert coco.prompt(only) == only.question == "Provide a one-sentence caption for the provided image."


def test_pope_pools_and_leaves_unread_answers_out_of_the_recall() -> None:
    """Its own numbers; two categories, so that the mean of F1 would be another."""
    pope = task("pope")
    for case in GOLDEN["pope"]:
        asked = [
            Sample(str(i), None, "?", label, f"image{i}", {"category": ("random", "popular")[i % 2]})
            for i, (_, label) in enumerate(case["pairs"])
        ]
        said = {str(i): response for i, (response, _) in enumerate(case["pairs"])}
        found = values(pope, answered(pope, asked, lambda one, said=said: said[one.id]))
        assert next(iter(found)) == pope.primary == "f1"
        assert {name: found["f1" if name == "f1_score" else name] for name in case if name != "pairs"} == {
            name: value for name, value in case.items() if name != "pairs"
        }


def test_an_error_is_wrong_and_does_not_raise_pope_s_recall() -> None:
    pope = task("pope")
    asked = [Sample(str(i), None, "?", "yes", "image", {"category": "random"}) for i in range(2)]
    found = values(pope, answered(pope, asked, lambda one: "yes" if one.id == "0" else None))
    assert (found["recall"], found["accuracy"]) == (0.5, 0.5)


@pytest.mark.parametrize(("response", "options", "matched", "static"), GOLDEN["mmbench"])
def test_mmbench_s_unread_answers_are_extracted_in_english_alone(
    response: str, options: dict[str, str], matched: str | None, static: str | None
) -> None:
    one = sample({"answer": "A", "options": options}, options=options, hint="")
    english, chinese = task("mmbench").score(response, one), task("mmbench_cn").score(response, one)
    assert (english.parsed, chinese.parsed) == (static, matched)
    assert english.values == {"accuracy": float(static == "A")}


def test_vqav2_where_all_agree_and_its_submission() -> None:
    one = sample(["black"] * 10)
    assert task("vqav2").score("Black.", one).values == {"accuracy": 1.0}
    hidden = answered(task("vqav2"), [sample()], lambda _: "Black.")
    assert json.loads(task("vqav2").submission(hidden)[1]) == [{"question_id": 1, "answer": "Black."}]


def test_vizwiz_and_textvqa_report_accuracy_alone() -> None:
    people = ["Dr. Pepper!"] * 10
    one = Sample("1", None, "?", {"answers": people, "answerable": True}, "image", {"answer_type": "other"})
    assert values(task("vizwiz"), answered(task("vizwiz"), [one], lambda _: "dr pepper")) == {
        "accuracy": 1.0, "accuracy/answer_type=other": 1.0,
    }  # fmt: skip
    assert task("textvqa").score("dr pepper", sample(people)).values == {"accuracy": 1.0}


def test_textvqa_needs_no_tokens(tmp_path: Path) -> None:
    row = {"question_id": 3, "image_id": "a", "question": "what?", "answers": ["x"] * 10}
    write_json(tmp_path, "textvqa/TextVQA_0.5.1_val.json", {"data": [row]})
    root = data_root(tmp_path)
    assert [wanted.path for wanted in task("textvqa").wanted(root)] == [
        "textvqa/TextVQA_0.5.1_val.json", "textvqa/train_images/*",
    ]  # fmt: skip
    assert task("textvqa").data_version(root, task("textvqa").samples(root)) == "val"


def test_mmvet_s_judge(tmp_path: Path) -> None:
    assert hashlib.sha256(PROMPT.encode()).hexdigest() == GOLDEN["mmvet_prompt_sha256"]
    mmvet = task("mmvet")
    first = mmvet.samples(data_root(write_mmvet(tmp_path)))[0]
    asked = [mmvet.inquire("x = -1", first, ["?"] * n) for n in range(5)]
    assert [one and one.temperature for one in asked] == [0.0, 0.5, 1.0, 1.5, None]
    assert {one.messages for one in asked if one} == {
        (("user", f"{PROMPT}\nWhat is x in the equation? | -1 <AND> -5 | x = -1 |"),)
    }
    assert {one.max_tokens for one in asked if one} == {128}
    assert mmvet.inquire("x", first, [" 0.5"]) is None
    assert mmvet.judged(first, [[" 0.5"]]).values["score"] == 0.5


def test_llava_wild_s_judge(tmp_path: Path) -> None:
    wild, official = task("llava_wild"), get_task("llava_wild")
    first = wild.samples(data_root(write_llava_wild(tmp_path)))[0]
    theirs = official.inquire("A hill!", first, [])
    ours = wild.inquire("A hill!", first, [])
    assert ours.messages == (theirs.messages[1],)
    assert (ours.messages[0][0], ours.max_tokens, ours.temperature) == ("user", 1024, 0.0)
    assert wild.inquire("A hill!", first, ["8 7"]) is None
    for reply, scores in GOLDEN["llava_wild"]:
        found = wild.judged(first, [[reply]])
        assert [found.values["reference1"], found.values["answer1"]] == scores
        assert (found.parsed is None) == (tuple(scores) == UNREAD)


def test_thoughts_and_outer_space_are_no_part_of_a_response() -> None:
    for said in ("yes\n", " yes", "<think>It may be a no.</think>\nyes", "no</think>yes"):
        for name, reference in (
            ("gqa", {"answer": "yes"}), ("vqav2", ["yes"] * 10), ("textvqa", ["yes"] * 10), ("pope", "yes"),
            ("vizwiz", {"answers": ["yes"] * 10, "answerable": True}),
        ):  # fmt: skip
            values = task(name).score(said, sample(reference)).values
            assert values.get("accuracy", values.get("tp")) == 1.0, (name, said)
    letter = "<think>A or B</think>\nB\n"
    assert task("scienceqa").score(letter, sample(1, choices=["x", "y"], hint="")).values == {"accuracy": 1.0}
    options = {"options": {"A": "x", "B": "y"}, "hint": ""}
    assert task("mmbench").score(letter, sample({"answer": "B"}, **options)).values == {"accuracy": 1.0}
    assert task("nocaps").score("<think>hm</think> a dog ", sample(["a dog"])).parsed == "a dog"
    asked = task("mmvet").inquire("ans\n", sample("x<AND>y"), ())
    assert asked.messages[0][1].endswith("What is it? | x <AND> y | ans |")
    asked = task("llava_wild").inquire(" ans\n", sample("a", caption="c"), ())
    assert "[Assistant 2]\nans\n\n[End of Assistant 2]" in asked.messages[0][1]


@pytest.mark.parametrize("protocol", ["llava", "lmms"])
def test_gqa_s_other_files_are_left_alone(protocol: str, tmp_path: Path) -> None:
    """Where these protocols do not use them, they may be damaged."""
    types = {"structural": "verify", "semantic": "obj", "detailed": "x"}
    question = {
        "question": "Is it?", "imageId": "n1", "answer": "yes", "isBalanced": True, "groups": {"global": None},
        "entailed": [], "types": types, "semantic": [],
    }  # fmt: skip
    write_json(tmp_path, "gqa/testdev_balanced_questions.json", {"1": question})
    write_json(tmp_path, "gqa/testdev_balanced_choices.json", {})
    write_json(tmp_path, "gqa/testdev_balanced_attentions.json", [])
    gqa = get_task("gqa", protocol)
    assert [found.id for found in gqa.samples(data_root(tmp_path))] == ["1"]
    assert not any("choices" in wanted.path for wanted in (*gqa.files, *gqa.wanted(data_root(tmp_path))))


def test_mmbench_s_mirror_is_the_one_that_lmms_eval_reads() -> None:
    found = {
        (name, split): mirror for name in ("mmbench", "mmbench_cn") for split, mirror in task(name).mirrors().items()
    }
    assert {key: (mirror.dataset, mirror.parts[0].config) for key, mirror in found.items()} == {
        ("mmbench", "dev"): ("MMBench", "en"), ("mmbench", "test"): ("MMBench", "en"),
        ("mmbench_cn", "dev"): ("MMBench", "cn"), ("mmbench_cn", "test"): ("MMBench", "cn"),
    }  # fmt: skip
