"""Text from models and data, made harmless for the place where it is shown."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

_MARKDOWN = str.maketrans({char: f"\\{char}" for char in "\\`*_[]<>|~#&$"})
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # the wide ones too, in Chinese and Japanese offices
_LATEX = str.maketrans(
    {char: f"\\{char}" for char in "{}$&#_%"}
    | {char: f"{{{char}}}" for char in "[]*"}  # a row that begins with one would be taken for an option of the last
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}", '"': r"\char34{}"}
    | {
        "±": r"$\pm$",
        "×": r"$\times$",
        "≥": r"$\geq$",
        "−": r"$-$",
        "†": r"$^\dagger$",
        "–": r"\textendash{}",
        "…": r"\dots{}",
    }
)


def plain(text: str, limit: int | None = None) -> str:
    """One printable line, cut to `limit` characters: no escape sequences for the terminal, no marks that turn text."""
    spaced = (" " if char.isspace() else char for char in text)
    line = " ".join("".join(char for char in spaced if char.isprintable()).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1] + "…"


def markdown(text: str, limit: int | None = None) -> str:
    """`plain` with everything escaped that Markdown (or HTML in Markdown) would act on, table bars included."""
    return plain(text, limit).translate(_MARKDOWN)


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]], text_columns: Container[int] = (0,)) -> str:
    """A table of cells that are escaped already; `text_columns` are aligned left, numbers right."""
    rule = [":--" if column in text_columns else "--:" for column in range(len(headings))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (headings, rule, *rows))


def spreadsheet(text: str) -> str:
    """`plain` that no spreadsheet takes for a formula."""
    line = plain(text)
    return f"'{line}" if line.startswith(_FORMULA) else line


def latex(text: str) -> str:
    """`plain` that LaTeX prints as it reads, at any place of a table."""
    line = plain(text).translate(_LATEX)
    while "--" in line:  # would join to a dash
        line = line.replace("--", "-{}-")
    return line
