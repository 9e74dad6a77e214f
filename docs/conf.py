"""The site that `make docs` builds: README, CONTRIBUTING and this folder, as they are, ordered by docs/index.md.

Sphinx reads from the repository's root, so that links between its pages, and from them to the code, are those that
people follow in a checkout.  No page asks anything of the network.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

project = "sqeval"
html_title = "sqeval"
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "docs/**.md", "results/*.md"]
myst_heading_anchors = 4  # as anchors are in a checkout: `#exit-codes`
myst_fence_as_directive: list[str] = []
pygments_style = "default"
pygments_dark_style = "github-dark"
highlight_language = "none"
smartquotes = False  # `--data` is no dash
suppress_warnings = ["misc.highlighting_failure"]

SECTION = re.compile(r"^## (.+)\n((?:(?!## ).*\n?)*)", re.MULTILINE)
LINK = re.compile(r"^- \[([^\]]+)\]\(([^)]+)\.md\)", re.MULTILINE)


def navigation(app: Any, name: str, source: list[str]) -> None:
    """Make each section of the index, a heading and a list of links, a part of the navigation as well."""
    if name != root_doc:
        return
    for title, body in SECTION.findall(source[0]):
        entries = "\n".join(f"{text} <{page}>" for text, page in LINK.findall(body))
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{entries}\n```\n"


def front_door(app: Any, failure: Exception | None) -> None:
    """The site's folder opens with the index."""
    if failure is None:
        page = f'<!doctype html><meta http-equiv="refresh" content="0; url={root_doc}.html"><title>{project}</title>'
        Path(app.outdir, "index.html").write_text(page, "utf-8")


def setup(app: Any) -> None:
    app.connect("source-read", navigation)
    app.connect("build-finished", front_door)
