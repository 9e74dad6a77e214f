"""Addresses within the page: the part behind # that its script reads."""

from __future__ import annotations

from urllib.parse import quote, urlencode


def samples(**filters: object) -> str:
    """The browser with these filters: task, show, tag, q, run, s (``task/id``)."""
    return "#" + urlencode({"view": "samples", **filters}, quote_via=quote, errors="replace")


def sample(name: str, identity: str, **filters: object) -> str:
    """One sample, among those of its task `name`."""
    return samples(task=name, **filters, s=f"{name}/{identity}")
