"""No text makes a pattern of ours try again and again (security.md 3.5: regexes are linear)."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import authz
from tests.backtracking import Steps, TooManySteps, worst

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORT, LONG = 30, 60
LOOKS_EVERYWHERE = frozenset({"search", "sub", "subn", "findall", "finditer", "split"})


def held(value: object) -> Iterator[re.Pattern[Any]]:
    """Patterns, also those in tables."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from held(tuple(value.values()))
    elif isinstance(value, (tuple, list, frozenset, set)):
        for one in value:
            yield from held(one)


def written(module: Any) -> ast.Module:
    return ast.parse(Path(module.__file__).read_text())


def patterns() -> dict[str, tuple[re.Pattern[Any], bool]]:
    """Every pattern of the product by where it stands, and whether a text is looked through for it."""
    found: dict[str, tuple[re.Pattern[Any], bool]] = {}
    for info in pkgutil.walk_packages(authz.__path__, "authz."):
        module = importlib.import_module(info.name)
        calls = [node for node in ast.walk(written(module)) if isinstance(node, ast.Call)]
        methods = [call.func for call in calls if isinstance(call.func, ast.Attribute)]
        looked = {one.value.id for one in methods if isinstance(one.value, ast.Name) and one.attr in LOOKS_EVERYWHERE}
        for name, value in vars(module).items():
            for number, pattern in enumerate(held(value)):
                found[f"{info.name}.{name}.{number}"] = (pattern, name in looked or info.name == "authz.logs")
        for call in calls:
            if isinstance(call.func, ast.Attribute) and ast.unparse(call.func).startswith("re.") and call.args:
                first = call.args[0]
                if isinstance(first, ast.Constant):
                    found[f"{info.name}:{call.lineno}"] = re.compile(first.value), call.func.attr in LOOKS_EVERYWHERE
    return found


FOUND = patterns()


def growth(pattern: re.Pattern[Any], *, everywhere: bool) -> float:
    """How many times as many steps a text needs that is twice as long."""
    most = 0.0
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        for short, long in zip(worst(pattern, SHORT), worst(pattern, LONG), strict=True):
            steps = [Steps(pattern, text) for text in (short, long)]
            few, many = [one.of_search() if everywhere else one.of_fullmatch() for one in steps]
            most = max(most, (many + 100) / (few + 100))
    except TooManySteps:
        return float("inf")
    finally:
        sys.setrecursionlimit(before)
    return most


@pytest.mark.parametrize("name", FOUND)
def test_twice_the_text_is_twice_the_work(name: str) -> None:
    """security.md 3.5: time(2n)/time(n) < 2.5, in steps."""
    pattern, everywhere = FOUND[name]
    assert growth(pattern, everywhere=everywhere) < 2.5


@pytest.mark.parametrize(
    ("pattern", "everywhere"),
    [
        (r"(a+)+b", False),
        (r"(?:a|a)*b", False),
        (r"x(?:[a-z]+\s?)+", False),
        (r"a*a*b", False),
        (r"\s+$", True),
        (r'"(?:[^"\\]|\\.)*+"', True),
    ],
)
def test_a_pattern_that_tries_again_is_found(pattern: str, everywhere: bool) -> None:  # noqa: FBT001  a column of the table
    """The test itself can fail: what is known to be slow is."""
    assert growth(re.compile(pattern, re.DOTALL), everywhere=everywhere) > 2.5
