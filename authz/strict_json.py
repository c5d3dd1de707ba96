"""JSON from outside, read without surprises: bounded, no duplicate member, nothing that JSON does not have."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

MAX_DEPTH = 16
MAX_NODES = 1_000
MAX_INTEGER = 2**53 - 1  # beyond it a JavaScript reader sees another number
STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?+', re.DOTALL)  # also without an end: else each quote in it would begin one
BRACKET = re.compile(r"[\[\]{}]")
NOT_STORABLE = re.compile("[\0\ud800-\udfff]")  # PostgreSQL has no NUL, UTF-8 no half of a surrogate pair


class NotStrictJson(ValueError):
    """Its text says what is wrong, without quoting any of the input."""


def parse(text: str | bytes, *, max_depth: int = MAX_DEPTH, max_nodes: int = MAX_NODES) -> Any:
    """The value of a JSON text (RFC 8259, RFC 7493 §2): UTF-8, depth 16, 1000 nodes or as said, 53 bit integers.

    Raises NotStrictJson.
    """
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise NotStrictJson("not UTF-8") from error
    check_depth(decoded, max_depth)
    try:
        value = json.loads(
            decoded, object_pairs_hook=members, parse_constant=no_constant, parse_int=integer, parse_float=number
        )
    except json.JSONDecodeError as error:
        raise NotStrictJson(f"not JSON: line {error.lineno}, column {error.colno}") from error
    check_nodes(value, max_nodes)
    return value


def check_depth(text: str, max_depth: int) -> None:
    """Before the parser sees it: the parser recurses. An unclosed string is left for it to find."""
    depth = 0
    for bracket in BRACKET.finditer(STRING.sub("", text)):
        depth += 1 if bracket.group() in "[{" else -1
        if depth > max_depth:
            raise NotStrictJson(f"nested deeper than {max_depth}")


def check_nodes(value: Any, max_nodes: int) -> None:
    """Count every value in the tree, and look into every string."""
    waiting = [value]
    count = 0
    while waiting:
        count += 1
        if count > max_nodes:
            raise NotStrictJson(f"more than {max_nodes} values")
        node = waiting.pop()
        if isinstance(node, dict):
            check_text("".join(node))
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, str):
            check_text(node)


def check_text(text: str) -> None:
    if NOT_STORABLE.search(text):
        raise NotStrictJson("a string contains NUL or half of a surrogate pair")


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise NotStrictJson("a member occurs twice in one object")
    return made


def no_constant(_name: str) -> NoReturn:
    raise NotStrictJson("NaN and Infinity are not JSON")


def integer(text: str) -> int:
    if len(text) > len(f"-{MAX_INTEGER}") or abs(int(text)) > MAX_INTEGER:
        raise NotStrictJson("an integer is larger than 53 bit")
    return int(text)


def number(text: str) -> float:
    value = float(text)
    if abs(value) == float("inf"):
        raise NotStrictJson("a number is too large")
    return value
