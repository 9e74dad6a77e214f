"""The files that a comparison is written to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sqeval.comparison import Rules, RunComparison
from sqeval.errors import UserError
from sqeval.report.comparison import as_markdown
from sqeval.report.comparison_json import as_json
from sqeval.report.files import write_text
from sqeval.report.junit import as_junit
from sqeval.rundir import to_json

SUMMARY = "GITHUB_STEP_SUMMARY"
"""Environment variable by which GitHub Actions names the file of a step's summary, which steps append to."""


def write(
    comparisons: Sequence[RunComparison],
    rules: Rules,
    left_out: Sequence[str],
    exit_code: int,
    strict: bool,
    *,
    json: Path | None,
    markdown: Path | None,
    junit: Path | None,
) -> None:
    """Write what was asked for. Without `markdown`, the tables are appended to the summary of a GitHub step, if there
    is one. Raises UserError for a file that cannot be written."""
    if json:
        write_text(json, to_json(as_json(comparisons, rules, left_out, exit_code=exit_code)))
    if junit:
        write_text(junit, as_junit(comparisons, rules, strict=strict))
    summary = os.environ.get(SUMMARY)
    if markdown:
        write_text(markdown, as_markdown(comparisons, rules, left_out))
    elif summary:
        _append(Path(summary), as_markdown(comparisons, rules, left_out))


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(f"\n{text}")
    except OSError as error:
        raise UserError(
            f"{path} (${SUMMARY}): cannot be written: {error.strerror or error}; name another file in --markdown"
        ) from error
