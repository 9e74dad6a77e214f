"""The site that `make docs` builds: README, CONTRIBUTING and this folder, as they are, ordered by docs/index.md.

Sphinx reads from the repository's root, so that links between its pages, and from them to the code, are those that people
follow in a checkout.  No page asks anything of the network.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

project = "sqeval"
html_title = "sqeval"
html_theme = "furo"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "docs/**.md"]
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


def folder(app: Any, env: Any, node: Any, content: Any) -> Any:
    """A link to a folder of the repository is its name: the site has files alone."""
    target = Path(env.srcdir, Path(env.docname).parent, node["reftarget"])
    return content if target.is_dir() else None


def setup(app: Any) -> None:
    app.connect("source-read", navigation)
    app.connect("missing-reference", folder)
