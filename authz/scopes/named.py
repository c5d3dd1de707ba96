from __future__ import annotations

from dataclasses import dataclass

from authz.scopes.scope import Scope
from authz.scopes.unknown import UnknownScope

# profile was the SMART 1.0 name of fhirUser; profile and email also release OpenID Connect claims (Core §5.4).
NAMES = ("openid", "fhirUser", "profile", "email", "offline_access", "online_access")
BY_LOWER_CASE = {name.lower(): name for name in NAMES}


@dataclass(frozen=True, slots=True)
class NamedScope(Scope):
    """``openid``, ``offline_access`` (SMART 2.2 "Scopes for requesting identity data" and "… a refresh token")."""

    name: str

    def __str__(self) -> str:
        return self.name


def parse_named(text: str) -> Scope | None:
    if text in NAMES:
        return NamedScope(text)
    if meant := BY_LOWER_CASE.get(text.lower()):
        return UnknownScope(text, f"did you mean {meant}? Scopes are case-sensitive")
    return None
