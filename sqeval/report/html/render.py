"""Pages from templates, with a Content-Security-Policy that allows their own style and script and nothing else."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from markupsafe import Markup


def render(package: str, template: str, *, style: str, script: str = "", **view: Any) -> str:
    """The template of `package` with everything escaped but `style` and `script`, whose hashes it also gets."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader(package, "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(
        **view,
        style=Markup(style),
        script=Markup(script),
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
    )


def _csp_hash(text: str) -> str:
    """Source expression of a Content-Security-Policy that allows this text alone."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
