"""Answers a question from its text and a scene graph alone: an independent second opinion on the gold answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Graph = dict[str, Any]
Node = dict[str, Any]
PLACES = [["top left", "top", "top right"], ["left", "center", "right"], ["bottom left", "bottom", "bottom right"]]


class UnanswerableError(Exception):
    """The question takes something for granted that the scene does not have: *the* star where there are two."""


def find(graph: Graph, phrase: str) -> dict[str, Node]:
    """Objects that a noun phrase fits: colours, then a shape or `object`."""
    *colors, noun = phrase.split()
    return {
        id: node
        for id, node in graph["objects"].items()
        if noun in ("object", node["name"]) and set(colors) <= set(node["attributes"])
    }


def the(graph: Graph, phrase: str) -> Node:
    nodes = list(find(graph, phrase).values())
    if len(nodes) != 1:
        raise UnanswerableError(phrase)
    return nodes[0]


def cell(graph: Graph, node: Node) -> tuple[int, int]:
    """Row and column of the third of the picture that holds the middle of the box."""
    middle_x, middle_y = node["x"] + node["w"] / 2, node["y"] + node["h"] / 2
    return int(3 * middle_y / graph["height"]), int(3 * middle_x / graph["width"])


def stands(graph: Graph, a: Node, relation: str, b: Node) -> bool:
    (row_a, column_a), (row_b, column_b) = cell(graph, a), cell(graph, b)
    return {
        "to the left of": column_a < column_b,
        "to the right of": column_a > column_b,
        "above": row_a < row_b,
        "below": row_a > row_b,
    }[relation]


def attribute(node: Node, among: tuple[str, ...]) -> str:
    (value,) = set(node["attributes"]) & set(among)
    return str(value)


def yes(truth: bool) -> str:
    return "yes" if truth else "no"


COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "black", "white")
RELATION = "to the left of|to the right of|above|below"
COLOR = "|".join(COLORS)


def related_shape(graph: Graph, relation: str, phrase: str) -> str:
    anchor = the(graph, phrase)
    fitting = [node for node in graph["objects"].values() if stands(graph, node, relation, anchor)]
    if len(fitting) != 1:
        raise UnanswerableError(relation)
    return str(fitting[0]["name"])


def place(graph: Graph, phrase: str) -> str:
    row, column = cell(graph, the(graph, phrase))
    return PLACES[row][column]


def verify_relation(graph: Graph, a: str, relation: str, b: str) -> str:
    """The generator asks only where one of the two is on the named axis' other side."""
    first, second = the(graph, a), the(graph, b)
    if not stands(graph, first, relation, second) and not stands(graph, second, relation, first):
        raise UnanswerableError(relation)
    return yes(stands(graph, first, relation, second))


def choose_color(graph: Graph, phrase: str, x: str, y: str) -> str:
    color = attribute(the(graph, phrase), COLORS)
    if color not in (x, y):
        raise UnanswerableError(phrase)
    return color


def same_color(graph: Graph, a: str, b: str) -> str:
    return yes(attribute(the(graph, a), COLORS) == attribute(the(graph, b), COLORS))


def count(graph: Graph, plural: str) -> str:
    number = len(find(graph, plural.removesuffix("s").replace("crosse", "cross")))
    if not number:
        raise UnanswerableError(plural)
    return str(number)


PATTERNS: list[tuple[str, Callable[..., str]]] = [
    (r"Is there an? (.+) in the image\?", lambda g, p: yes(bool(find(g, p)))),
    (r"Are there both an? (.+) and an? (.+)\?", lambda g, x, y: yes(bool(find(g, x)) and bool(find(g, y)))),
    (r"Is there either an? (.+) or an? (.+)\?", lambda g, x, y: yes(bool(find(g, x)) or bool(find(g, y)))),
    (r"Are the (.+) and the (.+) the same color\?", same_color),
    (r"Is the (.+) small or large\?", lambda g, p: attribute(the(g, p), ("small", "large"))),
    (rf"Is the (.+) ({COLOR}) or ({COLOR})\?", choose_color),
    (rf"Is the (.+) ({RELATION}) the (.+)\?", verify_relation),
    (rf"Is the (.+) ({COLOR})\?", lambda g, p, c: yes(c in the(g, p)["attributes"])),
    (r"What color is the background\?", lambda g: str(g["location"])),
    (r"What color is the (.+)\?", lambda g, p: attribute(the(g, p), COLORS)),
    (rf"What shape is ({RELATION}) the (.+)\?", related_shape),
    (r"What shape is the (.+)\?", lambda g, p: str(the(g, p)["name"])),
    (r"Where is the (.+)\?", place),
    (r"How many (.+) are there\?", count),
]
"""Question pattern and the function from the graph and the pattern's groups to the answer; the first match counts."""


def answer(question: str, graph: Graph) -> str:
    """Raises UnanswerableError where a presupposition fails, ValueError for a question of no known form."""
    for pattern, function in PATTERNS:
        match = re.fullmatch(pattern, question)
        if match:
            return function(graph, *match.groups())
    raise ValueError(question)
