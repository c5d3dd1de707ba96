"""What a set of scopes says, each access once; and whether whatever may be left of it can be said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from authz.scopes.constraints import implies
from authz.scopes.resource import ResourceScope
from authz.scopes.scope_set import MAX_BYTES, MAX_SCOPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authz.scopes.constraints import Query
    from authz.scopes.scope import Scope
    from authz.scopes.scope_set import ScopeSet


def distinct(scopes: ScopeSet) -> tuple[ResourceScope, ...]:
    """The resource scopes of a set in normal form: letters joined, without what a broader one of them says already.

    ``patient/Observation.r``, ``patient/Observation.s`` and ``patient/Observation.rs?category=a`` are one; beside
    ``patient/*.rs`` only ``cud`` is left of ``patient/Observation.cruds``. Together they allow what the set allows.
    """
    joined: dict[tuple[str, str, Query], ResourceScope] = {}
    for scope in scopes.resources:
        key = (scope.level, scope.type, scope.query)
        letters = scope.interactions | joined.get(key, scope).interactions
        joined[key] = replace(scope, interactions=letters, text="")
    units = tuple(joined.values())
    left = (unit.only(unit.interactions - _said_more_broadly(unit, units)) for unit in units)
    return tuple(unit for unit in left if unit.interactions)


def _said_more_broadly(unit: ResourceScope, units: Sequence[ResourceScope]) -> frozenset[str]:
    broader = (
        other.interactions
        for other in units
        if other is not unit
        and other.level == unit.level
        and other.type in ("*", unit.type)
        and implies(unit.query, other.query)
    )
    return frozenset[str]().union(*broader)


def fits(scopes: ScopeSet, pieces: Sequence[ResourceScope]) -> bool:
    """Whether whatever of ``pieces`` a set is narrowed to, what is left can be said within the size of a ScopeSet."""
    count = size = 0
    for scope in scopes:
        left = [one for piece in _near(scope, pieces) for one in scope.narrow((piece,))]
        count += max(1, len(left))
        size += max(len(str(scope)) + 1, sum(max(len(str(one)), len(one.normal_form)) + 1 for one in left))
        if count > MAX_SCOPES or size > MAX_BYTES:
            return False
    return len(pieces) <= MAX_SCOPES and sum(len(str(piece)) + 1 for piece in pieces) <= MAX_BYTES


def _near(scope: Scope, pieces: Sequence[ResourceScope]) -> Iterator[ResourceScope]:
    """The pieces that a scope can have something in common with."""
    if isinstance(scope, ResourceScope):
        for piece in pieces:
            if piece.level == scope.level and ("*" in (piece.type, scope.type) or piece.type == scope.type):
                yield piece
