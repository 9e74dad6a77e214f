"""A comparison as a JUnit report: a suite a pair of runs, a case a task, as GitHub's and GitLab's readers want it."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from sqeval.comparison import Rules, RunComparison, TaskComparison
from sqeval.report.comparison import HEADINGS, name, row, title
from sqeval.report.comparison_notes import notes
from sqeval.report.text import plain
from sqeval.stats.gate import Verdict


def as_junit(comparisons: Sequence[RunComparison], rules: Rules, *, strict: bool = False) -> str:
    """XML 1.0. Regressions are failures, incomparable tasks errors, inconclusive ones skipped (failures if `strict`).

    Control characters, which XML cannot hold, are left out of all texts.
    """
    root = ET.Element("testsuites", name="sqeval compare")
    for comparison in comparisons:
        root.append(_suite(comparison, rules, strict))
    _count(root, root.findall("testsuite/testcase"))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(comparison: RunComparison, rules: Rules, strict: bool) -> ET.Element:
    suite = ET.Element("testsuite", name=title(comparison))
    lines = notes(comparison, rules)
    for task in comparison.tasks:
        start = f"{plain(task.task)}: "
        own = [line.removeprefix(start) for line in lines if line.startswith(start)]
        suite.append(_case(task, comparison, own, strict))
    _count(suite, suite.findall("testcase"))
    return suite


def _case(task: TaskComparison, comparison: RunComparison, lines: Sequence[str], strict: bool) -> ET.Element:
    case = ET.Element("testcase", classname=plain(comparison.candidate.name), name=name(task), time="0")
    cells = row(task, comparison.floors.get(task.task))
    numbers = [f"{heading}: {' '.join(cell.split())}" for heading, cell in zip(HEADINGS[1:], cells[1:], strict=True)]
    tag = {
        Verdict.REGRESSION: "failure",
        Verdict.INCOMPARABLE: "error",
        Verdict.INCONCLUSIVE: "failure" if strict else "skipped",
    }.get(task.verdict)
    text = "\n".join(map(plain, [*numbers, *lines]))
    if tag is not None:
        message = plain(f"{task.verdict}: {cells[3]}" if task.difference else "; ".join((task.verdict, *lines)))
        outcome = ET.SubElement(case, tag, message=message, type=str(task.verdict))
        outcome.text = text
    else:
        ET.SubElement(case, "system-out").text = text
    return case


def _count(element: ET.Element, cases: Sequence[ET.Element]) -> None:
    element.set("tests", str(len(cases)))
    for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        element.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
