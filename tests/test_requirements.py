"""Versions against conditions, with `packaging` as the oracle."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from sqeval.requirements import installed, required, satisfies

releases = st.lists(st.integers(0, 12), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
conditions = st.lists(st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), releases), max_size=2)


@given(releases, conditions)
def test_conditions_mean_what_pip_means(version: str, parts: list[tuple[str, str]]) -> None:
    condition = ",".join(sign + limit for sign, limit in parts)
    assert satisfies(version, condition) == SpecifierSet(condition).contains(Version(version))


def test_builds_and_what_is_not_there() -> None:
    assert satisfies("2.13.0+cpu", ">=2.13")
    assert not satisfies(None, "")
    assert installed("no-such-package-at-all") is None
    with pytest.raises(PackageNotFoundError):
        required("no-such-package-at-all")


def test_extras_are_not_needed() -> None:
    wanted = dict(required("sqeval"))
    assert "torch" in wanted
    assert "pytest" not in wanted
    assert all(satisfies(installed(name), condition) for name, condition in wanted.items())
