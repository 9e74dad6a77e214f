"""GQA files of the mini suite: official fields, and agreement of text, program, answer and scene graph."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from scene_oracle import COLORS, RELATION, Graph, UnanswerableError, answer, attribute, find, stands

Entries = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def questions(mini_root: Path) -> Entries:
    return json.loads((mini_root / "gqa/testdev_balanced_questions.json").read_text())


@pytest.fixture(scope="module")
def graphs(mini_root: Path) -> dict[str, Graph]:
    return json.loads((mini_root / "gqa/testdev_balanced_sceneGraphs.json").read_text())


def test_sizes_and_official_fields(questions: Entries, graphs: dict[str, Graph], mini_root: Path) -> None:
    assert len(questions) == 1200
    assert Counter(Counter(e["imageId"] for e in questions.values()).values()) == {12: 100}
    assert {e["imageId"] for e in questions.values()} == set(graphs)
    for entry in questions.values():
        assert set(entry) == {
            "semantic", "entailed", "equivalent", "question", "imageId", "isBalanced", "groups", "answer",
            "semanticStr", "annotations", "types", "fullAnswer",
        }  # fmt: skip
        assert entry["isBalanced"] is True
        assert set(entry["types"]) == {"detailed", "semantic", "structural"}
        assert entry["types"]["semantic"] in {"obj", "attr", "cat", "rel", "global"}
        assert entry["types"]["structural"] in {"verify", "query", "choose", "logical", "compare"}
        assert set(entry["groups"]) == {"global", "local"}
        assert set(entry["annotations"]) == {"question", "answer", "fullAnswer"}
    for image, graph in graphs.items():
        assert (mini_root / f"gqa/images/{image}.png").is_file()
        for node in graph["objects"].values():
            assert set(node) == {"name", "x", "y", "w", "h", "attributes", "relations"}
            assert 0 <= node["x"] < node["x"] + node["w"] <= graph["width"]
            assert 0 <= node["y"] < node["y"] + node["h"] <= graph["height"]


def test_ids_must_stay_strings(questions: Entries) -> None:
    assert any(id.startswith("0") for id in questions)


def test_gold_answers_follow_from_text_and_scene_graph(questions: Entries, graphs: dict[str, Graph]) -> None:
    for id, entry in questions.items():
        assert answer(entry["question"], graphs[entry["imageId"]]) == entry["answer"], id


def test_relations_of_the_graphs_are_those_of_the_boxes(graphs: dict[str, Graph]) -> None:
    for graph in graphs.values():
        nodes = graph["objects"]
        for id, node in nodes.items():
            stated = {(r["name"], r["object"]) for r in node["relations"]}
            assert stated == {
                (name, other)
                for other in nodes
                for name in RELATION.split("|")
                if stands(graph, node, name, nodes[other])
            }, id


def test_programs_execute_to_the_answer(questions: Entries, graphs: dict[str, Graph]) -> None:
    for id, entry in questions.items():
        assert execute(entry["semantic"], graphs[entry["imageId"]]) == entry["answer"], id


def execute(program: list[dict[str, Any]], graph: Graph) -> Any:
    """Run a semantic program step by step; object sets are sets of ids."""
    results: list[Any] = []
    for step in program:
        inputs = [results[i] for i in step["dependencies"]]
        results.append(perform(step["operation"], step["argument"], inputs, graph))
    return results[-1]


def perform(operation: str, argument: str, inputs: list[Any], graph: Graph) -> Any:
    nodes = graph["objects"]
    if operation == "select":
        return "scene" if argument == "scene" else set(find(graph, argument.split(" (")[0]))
    if operation in ("and", "or"):
        truths = [value == "yes" for value in inputs]
        return "yes" if (all if operation == "and" else any)(truths) else "no"
    if inputs == ["scene"]:
        return graph["location"]
    found = inputs[0]
    if operation == "filter color":
        return {id for id in found if argument in nodes[id]["attributes"]}
    if operation == "exist":
        return "yes" if found else "no"
    if operation == "count":
        return str(len(found))
    (one,) = found
    if operation == "verify color":
        return "yes" if argument in nodes[one]["attributes"] else "no"
    if operation.startswith("choose"):
        return attribute(nodes[one], tuple(argument.split("|")))
    if operation == "same color":
        (other,) = inputs[1]
        return "yes" if attribute(nodes[one], COLORS) == attribute(nodes[other], COLORS) else "no"
    if operation in ("verify rel", "relate"):
        phrase, relation, _ = argument.split(",")
        name = "object" if phrase == "_" else phrase
        fitting = {id for id, node in find(graph, name).items() if stands(graph, node, relation, nodes[one])}
        return fitting if operation == "relate" else "yes" if fitting else "no"
    assert operation == "query"
    if argument == "position":
        return answer(
            f"Where is the {attribute(nodes[one], COLORS)} {nodes[one]['name']}?",
            {**graph, "objects": {one: nodes[one]}},
        )
    return nodes[one]["name"] if argument == "name" else attribute(nodes[one], COLORS)


def test_program_text_is_the_program(questions: Entries) -> None:
    for entry in questions.values():
        steps = entry["semanticStr"].split("->")
        assert len(steps) == len(entry["semantic"])
        for text, step in zip(steps, entry["semantic"], strict=True):
            assert text.startswith(f"{step['operation']}: {step['argument']}")
            assert all(d < steps.index(text) for d in step["dependencies"])


def test_object_pointers_name_the_objects(questions: Entries, graphs: dict[str, Graph]) -> None:
    pointed = 0
    for entry in questions.values():
        nodes = graphs[entry["imageId"]]["objects"]
        for field, text in (
            ("question", entry["question"]),
            ("answer", entry["answer"]),
            ("fullAnswer", entry["fullAnswer"]),
        ):
            words = text.strip("?.").replace(",", "").split()
            for span, id in entry["annotations"][field].items():
                start, _, end = span.partition(":")
                phrase = words[int(start) : int(end or int(start) + 1)]
                assert id in find({"objects": nodes}, " ".join(phrase)), (entry["question"], span)
                pointed += 1
    assert pointed > len(questions) / 2


def test_entailed_answers_follow_in_every_scene(questions: Entries, graphs: dict[str, Graph]) -> None:
    """Wherever both questions make sense and the first has its answer, the entailed one has its own."""
    table: dict[str, dict[str, str]] = {}
    for text in {entry["question"] for entry in questions.values()}:
        table[text] = {}
        for image, graph in graphs.items():
            try:
                table[text][image] = answer(text, graph)
            except UnanswerableError:
                continue
    pairs = 0
    for id, entry in questions.items():
        assert id in entry["entailed"]
        assert set(entry["equivalent"]) <= set(entry["entailed"]) <= set(questions)
        for other in (questions[e] for e in entry["entailed"] if e != id):
            assert other["imageId"] == entry["imageId"]
            here, there = table[entry["question"]], table[other["question"]]
            agreeing = [image for image in here.keys() & there.keys() if here[image] == entry["answer"]]
            assert all(there[image] == other["answer"] for image in agreeing), (entry["question"], other["question"])
            pairs += 1
    assert pairs > 500


def test_choices_hold_the_answer(questions: Entries, mini_root: Path) -> None:
    choices = json.loads((mini_root / "gqa/testdev_balanced_choices.json").read_text())
    assert set(choices) == set(questions)
    for id, entry in questions.items():
        assert set(choices[id]) == {"valid", "plausible"}
        assert entry["answer"] in choices[id]["plausible"]
        assert set(choices[id]["plausible"]) <= set(choices[id]["valid"])


def test_no_constant_answer_scores_well(questions: Entries) -> None:
    (_, most), *_ = Counter(entry["answer"] for entry in questions.values()).most_common(1)
    assert most / len(questions) < 0.3
