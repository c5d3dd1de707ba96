"""JSON from outside (security.md 3.5: depth 16, 1000 nodes, 53 bit, no duplicates, no NaN)."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.strict_json import MAX_DEPTH, MAX_INTEGER, MAX_NODES, STRING, NotStrictJson, parse

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(allow_nan=False, width=32) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
).filter(lambda value: "Infinity" not in json.dumps(value))


@given(VALUES)
def test_what_json_can_say_is_read(value: Any) -> None:
    """RFC 8259; escaped and as UTF-8."""
    assert parse(json.dumps(value)) == value
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:\\u0d8e1-.tfn', max_size=80))
def test_nothing_but_not_strict_json_is_raised(text: bytes | str) -> None:
    with suppress(NotStrictJson):
        parse(text)


@pytest.mark.parametrize("depth", [1, MAX_DEPTH - 1, MAX_DEPTH])
def test_sixteen_levels_are_read(depth: int) -> None:
    assert parse("[" * depth + "]" * depth) is not None
    assert parse('{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)) is not None


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, MAX_DEPTH * 10, 100_000])
def test_more_levels_are_refused_before_the_parser_recurses(depth: int) -> None:
    """security.md 0.8: RecursionError."""
    for text in ("[" * depth + "]" * depth, '{"a":' * depth, '["\\"",' * depth):
        with pytest.raises(NotStrictJson, match="nested deeper than 16"):
            parse(text)


def test_brackets_within_strings_are_no_levels() -> None:
    assert parse(json.dumps("[" * 1000)) == "[" * 1000
    assert parse(json.dumps(['"[', "\\", "{" * 100])) == ['"[', "\\", "{" * 100]


@pytest.mark.parametrize("count", [MAX_NODES - 1, MAX_NODES])
def test_a_thousand_values_are_read(count: int) -> None:
    assert len(parse(json.dumps([0] * (count - 1)))) == count - 1


@pytest.mark.parametrize("count", [MAX_NODES + 1, MAX_NODES * 10])
def test_more_values_are_refused(count: int) -> None:
    with pytest.raises(NotStrictJson, match="more than 1000 values"):
        parse(json.dumps([0] * (count - 1)))


@pytest.mark.parametrize("integer", [MAX_INTEGER - 1, MAX_INTEGER, -MAX_INTEGER])
def test_integers_of_53_bit_are_read(integer: int) -> None:
    """RFC 7493 §2.2."""
    assert parse(str(integer)) == integer


@pytest.mark.parametrize("text", [str(MAX_INTEGER + 1), str(-MAX_INTEGER - 1), str(2**63), "9" * 5000, "1e400"])
def test_larger_numbers_are_refused(text: str) -> None:
    """security.md 0.8: integers of 2**63 break SQLite, digits without end break int()."""
    with pytest.raises(NotStrictJson, match=r"larger than 53 bit|too large"):
        parse(text)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", '{"a": NaN}'])
def test_what_is_only_python_is_refused(text: str) -> None:
    with pytest.raises(NotStrictJson, match="not JSON"):
        parse(text)


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '[{"b":{"a":1,"\\u0061":2}}]'])
def test_a_member_must_not_occur_twice(text: str) -> None:
    """RFC 7493 §2.3; of two readers one would take the first, the other the last."""
    with pytest.raises(NotStrictJson, match="twice"):
        parse(text)


@pytest.mark.parametrize("text", [r'"\u0000"', r'{"\u0000": 1}', r'["\ud800"]', r'{"a": {"\udc00x": 1}}'])
def test_nul_and_half_surrogate_pairs_are_refused(text: str) -> None:
    """security.md 0.8: PostgreSQL has no NUL, UTF-8 no surrogates."""
    with pytest.raises(NotStrictJson, match="NUL or half"):
        parse(text)


def test_whole_surrogate_pairs_are_text() -> None:
    assert parse(r'"\ud83d\ude00"') == "😀"


@pytest.mark.parametrize("worst", ['"' + "\\" * 50_000, '"' * 50_001, '"\\"' * 25_000, "[" * 16 + '"' + "a" * 50_000])
def test_a_text_without_end_is_just_not_json(worst: str) -> None:
    """security.md 3.5: patterns are linear; their worst characters come to an end."""
    with pytest.raises(NotStrictJson):
        parse(worst)


@pytest.mark.parametrize("worst", ['"' + '\\"' * 25_000, '"' + "a" * 50_000, '"' + '\\"' * 25_000 + "\\"])
def test_a_string_without_end_is_looked_at_once(worst: str) -> None:
    """security.md 3.5: a string is taken whole wherever it ends; else each quote in it would begin one, in turn."""
    found = STRING.match(worst)
    assert found is not None
    assert worst[found.end() :] in {"", "\\"}
