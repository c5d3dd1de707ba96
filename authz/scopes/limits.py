"""Limits that follow from the FHIR server and the flow, whoever the client and the user are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.scopes.launch import LaunchScope
from authz.scopes.reason import Reason
from authz.scopes.resource import ResourceScope
from authz.scopes.verdict import Limit

if TYPE_CHECKING:
    from collections.abc import Collection

    from authz.scopes.scope import Scope


def only_types(types: Collection[str]) -> Limit:
    """Resource and launch scopes of the types a FHIR server has, and ``*``."""

    def allows(scope: Scope) -> bool:
        match scope:
            case ResourceScope():
                return scope.type == "*" or scope.type in types
            case LaunchScope():
                return scope.type is None or scope.type in {type_.lower() for type_ in types}
            case _:
                return True

    return Limit(Reason.UNSUPPORTED, allows, "the FHIR server has no such resource type")


def only_levels(*levels: str) -> Limit:
    """Resource scopes of these levels: a user's grant has no ``system/``, a back end's only that."""

    def allows(scope: Scope) -> bool:
        return not isinstance(scope, ResourceScope) or scope.level in levels

    named = ", ".join(f"{level}/" for level in levels)
    return Limit(Reason.LEVEL_NOT_ALLOWED, allows, f"in this flow the level is one of: {named}")


def only_constraints_on(parameters: Collection[str]) -> Limit:
    """Search parameters that the FHIR server can enforce; dropping just the constraint would grant more than asked."""

    def allows(scope: Scope) -> bool:
        return not isinstance(scope, ResourceScope) or all(name in parameters for name, _ in scope.query)

    return Limit(Reason.UNSUPPORTED, allows, "the FHIR server does not limit access by this search parameter")
