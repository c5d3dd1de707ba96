"""What users of a type may pass on at a FHIR server (decision 16)."""

from __future__ import annotations

from authz.errors import InvalidScope
from authz.fhir_servers.url import FHIR_USER_TYPES
from authz.scopes import ResourceScope, ScopeSet


def problems(user_type: str, text: str) -> list[str]:
    """Why this is not a scope ceiling: an unknown type of user, or scopes that are not ``patient/`` or ``user/``."""
    if user_type not in FHIR_USER_TYPES:
        return [f"{user_type}: a ceiling is for one of {', '.join(sorted(FHIR_USER_TYPES))}"]
    try:
        scopes = ScopeSet.parse(text)
    except InvalidScope as error:
        return [error.description]
    return [
        f"{scope}: a ceiling has only patient/ and user/ scopes"
        for scope in scopes
        if not (isinstance(scope, ResourceScope) and scope.level in {"patient", "user"})
    ]
