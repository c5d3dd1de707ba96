"""What stands behind the ``?`` of a resource scope: FHIR search parameters that limit it.

SMART 2.2 "Finer-grained resource constraints using search parameters": all parameters must match (a repeated name too),
and the commas of a value are alternatives.
"""

from __future__ import annotations

import re
from itertools import product
from math import prod
from typing import TYPE_CHECKING, TypeAlias

from authz.scopes.encoding import decode, encode
from authz.scopes.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Constraint: TypeAlias = tuple[str, frozenset[str]]  # a parameter and its alternative values
Query: TypeAlias = frozenset[Constraint]
Case: TypeAlias = dict[str, set[str]]  # the values of a parameter that a resource has

NAME = re.compile(r"[A-Za-z0-9_-]+(?:[:.][A-Za-z0-9_-]+)*")
VALUE = re.compile(r"(?:[^,\\]|\\[,$|\\])+")  # a backslash escapes, as FHIR search has it
VALUES = re.compile(rf"{VALUE.pattern}(?:,{VALUE.pattern})*")

RESULT_PARAMETERS = (
    *("_sort", "_count", "_include", "_revinclude", "_summary", "_elements", "_total"),
    *("_contained", "_containedType", "_format", "_pretty", "_maxresults", "_graph", "_score"),
)

MAX_CASES = 64  # alternatives multiply: above this, only a plain comparison is made
MAX_COMPARED = (
    1_000  # likewise of cases times scopes: whoever asks has 200 scopes, and so has what they are held against
)


class ConstraintError(ValueError):
    """A constraint that cannot be granted; the message is for the app's developer."""

    def __init__(self, message: str, code: Reason = Reason.MALFORMED) -> None:
        super().__init__(message)
        self.code = code


def parse_query(text: str) -> Query:
    """Raises ConstraintError: a constraint is granted whole or its scope is not granted, never without it."""
    # the railroad diagram of SMART 2.0 drew an ampersand after each parameter
    return simplest(_constraint(pair) for pair in text.removesuffix("&").split("&"))


def _constraint(pair: str) -> Constraint:
    raw_name, equals, raw_value = pair.partition("=")
    try:
        name, value = decode(raw_name), decode(raw_value)
    except ValueError as cause:
        raise ConstraintError(str(cause)) from cause
    if not equals or not NAME.fullmatch(name):
        raise ConstraintError("after ? stand search parameters as name=value, joined by &")
    if not value:
        raise ConstraintError("a search parameter without a value would not limit anything")
    if name.partition(":")[0] in RESULT_PARAMETERS:
        raise ConstraintError(
            f"{name} shapes a search result, it does not limit what may be read", Reason.RESULT_PARAMETER
        )
    if ":" in name or "." in name or name in ("_filter", "_has"):
        raise ConstraintError("modifiers, chaining, _has and _filter are experimental", Reason.EXPERIMENTAL)
    if not VALUES.fullmatch(value):
        raise ConstraintError("between commas stands a value, and a backslash only before one of , $ | and itself")
    return name, frozenset(VALUE.findall(value))


def print_query(query: Query) -> str:
    pairs = sorted(f"{name}={','.join(sorted(map(encode, values)))}" for name, values in query)
    return "&".join(pairs)


def simplest(constraints: Iterable[Constraint]) -> Query:
    """Leave out what another constraint already says: ``a=1&a=1,2`` is ``a=1``. Equal queries become equal sets."""
    query = frozenset(constraints)
    return frozenset(
        c for c in query if not (len(c[1]) > 1 and any(_implies(other, c) for other in query if other != c))
    )


def both(query: Query, other: Query) -> Query:
    """What matches one and the other, in its simplest form; both are that already and only compared with each other."""
    mine = {c for c in query if not any(_implies(o, c) for o in other if o != c)}
    return frozenset(mine | {o for o in other if not any(_implies(c, o) for c in query if c != o)})


def implies(query: Query, other: Query) -> bool:
    """Whether everything that matches ``query`` matches ``other``, seen constraint by constraint."""
    return all(any(_implies(mine, theirs) for mine in query) for theirs in other)


def _implies(mine: Constraint, theirs: Constraint) -> bool:
    return mine[0] == theirs[0] and mine[1] <= theirs[1]


def may_match(query: Query, other: Query) -> bool:
    """Whether something that matches ``query`` can match ``other`` by it: else no alternative of it adds anything."""
    mine = _case((name, value) for name, values in query for value in values)
    return matches(mine, other)


def cases(query: Query, others: Sequence[Query]) -> Iterator[Case] | None:
    """The ways to match ``query`` that ``others`` can tell apart, one value for each constraint they have too.

    ``a=1,2`` lies within ``a=1`` and ``a=2`` together, though within neither alone; that shows case by case. None if
    that is too much to go through.
    """
    if prod(len(values) for _, values in query) > MAX_CASES:
        return None
    told_apart = {name for other in others for name, _ in other}
    query = frozenset(constraint for constraint in query if constraint[0] in told_apart)
    if prod(len(values) for _, values in query) * len(others) > MAX_COMPARED:
        return None
    names = [name for name, _ in query]
    return (_case(zip(names, choice, strict=True)) for choice in product(*(values for _, values in query)))


def _case(pairs: Iterable[tuple[str, str]]) -> Case:
    case: Case = {}
    for name, value in pairs:
        case.setdefault(name, set()).add(value)
    return case


def matches(case: Case, query: Query) -> bool:
    return all(name in case and not values.isdisjoint(case[name]) for name, values in query)
