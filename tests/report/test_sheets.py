"""The forms of a table, read back by parsers: well-formed, whole, and nothing in a name is more than text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from sqeval.report.sheet import Cell, Page, Row, Section, Sheet, html, latex, markdown, screen
from sqeval.report.text import latex as escaped
from sqeval.report.text import plain

HOSTILE = (
    r"\input{/etc/passwd} 50% & more_or $less$ #1 ^2 ~ {a}",
    "<script>alert(1)</script> \"q\" 's' &amp; --limit",
    "[x] *y* | `z` \\\\ \x1b[31m \u202eevil\nline",
)
names = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(codec="utf-8"), max_size=30))
cells = st.builds(Cell, st.just("12.3"), st.sampled_from(["", "±0.4", "[−1.0, 25.6]"]), *[st.booleans()] * 3)


@st.composite
def pages(draw: st.DrawFn) -> Page:
    width, ranks = draw(st.integers(1, 8)), draw(st.booleans())
    row = st.builds(Row, names, st.lists(cells, min_size=width, max_size=width), st.sampled_from(["", "1 (1–2)"]))
    rows = st.lists(row, min_size=1, max_size=3)
    sections = [Section("", draw(rows)), Section(draw(names.filter(plain)), draw(rows))]
    columns = draw(st.lists(st.tuples(names, names), min_size=width, max_size=width))
    sheet = Sheet(draw(names), columns, sections, draw(st.lists(names, max_size=2)), ranks)
    return Page(draw(names), [sheet], draw(names), [sheet] if draw(st.booleans()) else [])


def example(names: tuple[str, ...] = ("one", "two", "three")) -> Page:
    marks = (Cell("90.1", "±1.0", best=True), Cell("89.9", "±1.1", second=True, tied=True), Cell("50.0", "±2.0"))
    rows = [Row(name, [mark, Cell()], "1 (1–2)") for name, mark in zip(names, marks, strict=True)]
    sheet = Sheet("Data: mini", [("gqa", "accuracy"), ("pope", "f1_mean")], [Section("", rows)], ["Note."], ranks=True)
    return Page("Leaderboard", [sheet], "Legend.")


class Reader(HTMLParser):
    """Tags that nest properly, and the texts between them by tag."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert {name for name, _ in attrs} <= {"charset", "name", "content", "lang", "scope", "class", "colspan"}
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open
    return reader


@given(pages())
def test_html_is_well_formed_and_loads_nothing(page: Page) -> None:
    text = html.render(page)
    reader = read(text)
    text.encode()
    known = {"html", "head", "meta", "title", "style", "body", "main", "h1", "section", "h2", "div", "table", "thead"}
    assert reader.tags <= known | {"tbody", "tr", "th", "td", "small", "strong", "u", "sup", "p", "br"}
    for row in page.sheets[0].sections[0].rows:
        assert any(data == plain(row.name) for tag, data in reader.texts if tag == "th") or not plain(row.name)


def test_html_by_example() -> None:
    reader = read(html.render(example(HOSTILE)))
    assert ("strong", "90.1") in reader.texts
    assert ("u", "89.9") in reader.texts
    assert ("sup", "†") in reader.texts
    assert ("th", plain(HOSTILE[1])) in reader.texts
    style = next(data for tag, data in reader.texts if tag == "style")
    assert "prefers-color-scheme: dark" in style
    assert "url(" not in style


PRINTED = {
    r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<",
    r"\textgreater{}": ">", r"\textbar{}": "|", r"\textasciigrave{}": "`", r"\char34{}": '"', r"\textendash{}": "–",
    r"\dots{}": "…", r"$\pm$": "±", r"$\times$": "×", r"$\geq$": "≥", r"$-$": "−", r"$^\dagger$": "†",
    "{[}": "[", "{]}": "]", "{*}": "*", **{f"\\{char}": char for char in "{}$&#_%"},
}  # fmt: skip
"""What LaTeX prints for what the escaping writes."""
TOKEN = re.compile("|".join(map(re.escape, sorted(PRINTED, key=len, reverse=True))))


@given(st.one_of(names, st.text('\\{}$&#^_%~[]*-"`<>|a ', max_size=12)))
def test_latex_prints_a_text_as_it_reads(text: str) -> None:
    written = escaped(text)
    assert "--" not in written
    whole = re.sub(r"(?<=-)\{\}(?=-)", "", written)  # what keeps hyphens from becoming a dash
    assert not set(TOKEN.sub("", whole)) & set('\\{}$&#^_%~[]*"`<>|')
    assert TOKEN.sub(lambda token: PRINTED[token[0]], whole) == plain(text)


@pytest.mark.parametrize("hyphens", range(6))
def test_latex_prints_every_hyphen(hyphens: int) -> None:
    assert escaped("-" * hyphens) == "{}".join("-" * hyphens)


def tabulars(text: str) -> list[tuple[str, list[str]]]:
    """Column types and rows of each tabular; braces, environments and maths must be balanced."""
    body = re.sub(r"(?m)^%.*$", "", text)
    bare = re.sub(r"\\[{}$&#_%\\]", "", body)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not set(bare) & set("%#~")
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{([^}]*)\}", body):
        assert kind == "begin" or opened.pop() == name
        opened += [name] if kind == "begin" else []
    assert not opened
    found = re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", body, re.DOTALL)
    return [(columns, content.split("\\\\\n")[:-1]) for columns, content in found]


@given(pages())
def test_every_row_of_latex_has_as_many_cells_as_columns(page: Page) -> None:
    found = tabulars(latex.render(page))
    assert len(found) == len(page.sheets) + len(page.apart)
    for columns, rows in found:
        assert len(rows) == 2 + sum(len(section.rows) + bool(section.heading) for section in page.sheets[0].sections)
        for row in rows:
            assert not re.match(r"\s*[\[*]", row)  # would be an option of the line before
            spanned = re.search(r"\\multicolumn\{(\d+)\}", row)
            cells = int(spanned[1]) if spanned else 1 + len(re.findall(r"(?<!\\)&", row))
            assert cells == len(columns)


def test_latex_by_example() -> None:
    text = latex.render(example())
    assert text.startswith("% Leaderboard. The preamble needs \\usepackage{booktabs}.\n")
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\caption{Data: mini. Note. Legend.}", r"\begin{table}"):
        assert text.count(rule) == 1
    assert r"one & 1 (1\textendash{}2) & \textbf{90.1} {\scriptsize $\pm$1.0} & \textendash{} \\" in text
    assert r"two & 1 (1\textendash{}2) & \underline{89.9}$^\dagger$ {\scriptsize $\pm$1.1}" in text
    wide = Sheet("t", [("a", "b")] * 5, [Section("", [Row("r", [Cell()] * 5)])])
    assert r"\begin{table*}" in latex.render(Page("t", [wide], ""))


@given(pages())
def test_every_row_of_markdown_has_as_many_cells_as_columns(page: Page) -> None:
    tables = [line for line in markdown.render(page).splitlines() if line.startswith("| ")]
    bars = {len(re.findall(r"(?<!\\)\|", line.replace(r"\\", ""))) for line in tables}
    assert bars == {len(page.sheets[0].headings) + 1}


def test_markdown_by_example() -> None:
    text = markdown.render(example())
    assert "| model | rank | gqa<br>accuracy | pope<br>f1\\_mean |\n| :-- | :-- | --: | --: |\n" in text
    assert "| one | 1 (1–2) | **90.1** ±1.0 | – |" in text
    assert "| two | 1 (1–2) | <ins>89.9</ins>† ±1.1 | – |" in text


TASKS = ("coco_caption", "gqa", "mmbench", "mmbench_cn", "nocaps", "pope", "scienceqa", "textvqa", "vizwiz", "vqav2")


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("spread", ["±1.2", "[78.9, 81.2]"])
def test_the_screen_shows_every_number_within_the_width(width: int, spread: str) -> None:
    rows = [
        Row(
            f"run-{r} {'with-a-long-name ' * r}".strip(),
            [Cell(f"{r}{c}.5", spread) for c in range(len(TASKS))],
            "1 (1–3)",
        )
        for r in range(1, 4)
    ]
    sheet = Sheet("Data: val", [(task, "accuracy") for task in TASKS], [Section("", rows)], ranks=True)
    text = screen.text(Page("Leaderboard", [sheet], "Legend."), width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in text
    for row in rows:
        assert all(cell.value in text for cell in row.cells)
    assert text.count(spread) == 30
    for task in TASKS:
        assert sum(task in line.split() for line in lines) == 1
    assert text.count("rank") == text.count("Data: val")


@settings(max_examples=50)
@given(pages(), st.integers(70, 160))
def test_no_name_breaks_the_screen(page: Page, width: int) -> None:
    text = screen.text(page, width)
    assert "\x1b" not in text
    measured = Console(width=width)
    assert all(measured.measure(line).maximum <= width for line in text.splitlines())


def test_a_table_that_fits_is_not_divided() -> None:
    sheet = example().sheets[0]
    assert screen.divided(sheet, 80) == ([[0, 1]], " ")
    assert screen.divided(sheet, 30) == ([[0], [1]], "\n")


def test_marks_are_type_faces_on_a_terminal() -> None:
    console = Console(force_terminal=True, width=80, color_system="standard")
    with console.capture() as captured:
        console.print(screen.render(example()))
    assert "\x1b[1m90.1\x1b[0m" in captured.get()
    assert "\x1b[4m89.9\x1b[0m" in captured.get()
