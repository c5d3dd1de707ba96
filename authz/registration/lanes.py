"""Which way an app goes from registration to production: a pure decision from what it says of itself."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from authz.clients.metadata import InvalidClientMetadata
from authz.scopes import ExtensionScope, LaunchScope, ResourceScope, ScopeSet

if TYPE_CHECKING:
    from authz.clients.metadata import ClientMetadata
    from authz.scopes import Scope

FOR_PATIENTS = ("Patient", "RelatedPerson")
BACKEND_GRANT = "client_credentials"
OF_A_PERSON = frozenset({"openid", "fhirUser", "profile", "email", "offline_access", "online_access"})
OWN = "__"  # begins a scope of this server's own


class Lane(StrEnum):
    PATIENT = "patient"  # people open it for themselves or whom they represent: approved by itself after a while
    PROVIDER = "provider"  # staff may use it: a person approves it
    BACKEND = "backend"  # works without anybody: a person approves it, and nothing is granted before


def lane_of(metadata: ClientMetadata) -> Lane:
    """The strictest that anything the app says asks for."""
    scopes = ScopeSet.parse(metadata.scope)
    if BACKEND_GRANT in metadata.grant_types or any(is_at(scope, "system") for scope in scopes):
        return Lane.BACKEND
    if not set(metadata.user_types) <= set(FOR_PATIENTS) or not all(map(is_for_patients, scopes)):
        return Lane.PROVIDER
    return Lane.PATIENT


def in_lane(metadata: ClientMetadata, lane: Lane) -> ClientMetadata:
    """As it is registered: a patient-facing app is for patients and those who represent them.

    Raises InvalidClientMetadata for what cannot be meant or is nobody's to ask for.
    """
    scopes = ScopeSet.parse(metadata.scope)
    own = [str(scope) for scope in scopes if isinstance(scope, ExtensionScope) and str(scope).startswith(OWN)]
    if own:
        raise InvalidClientMetadata(f"scope: {', '.join(own)} is given by the hospital only")
    if lane is Lane.BACKEND and BACKEND_GRANT not in metadata.grant_types:
        raise InvalidClientMetadata(f"scope: system/ needs the grant type {BACKEND_GRANT}, which needs a key")
    if lane is Lane.PATIENT and not metadata.user_types:
        return replace(metadata, user_types=FOR_PATIENTS)
    return metadata


def is_at(scope: Scope, level: str) -> bool:
    return isinstance(scope, ResourceScope) and scope.level == level


def is_for_patients(scope: Scope) -> bool:
    """Whether staff is not needed for it: the patient's own records, who they are, what was open."""
    return is_at(scope, "patient") or isinstance(scope, LaunchScope) or str(scope) in OF_A_PERSON
