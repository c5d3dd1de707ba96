"""What can happen, in the words of the trail (security.md 4.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EventName(StrEnum):
    LOGIN = "login"
    LOGIN_FAILED = "login.failed"
    LOGOUT = "logout"
    LOGOUT_NOTICE = "logout.notice"
    EHR_SESSION_ENDED = "ehr_session.ended"
    PAGE_SHOWN = "authorize.page_shown"
    AUTHORIZE_REFUSED = "authorize.refused"
    CONSENT_GRANTED = "consent.granted"
    CONSENT_SKIPPED = "consent.skipped"
    CONSENT_DENIED = "consent.denied"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    GLASS_BROKEN = "glass.broken"  # staff saw protected records; why: a code as reason, their words in the detail
    RECORDS_SEARCHED = "records.searched"
    PATIENT_CHOSEN = "patient.chosen"
    ENCOUNTER_CHOSEN = "encounter.chosen"
    LAUNCH_CREATED = "launch.created"
    LAUNCH_USED = "launch.used"
    LAUNCH_REFUSED = "launch.refused"
    LAUNCH_WITHDRAWN = "launch.withdrawn"
    CODE_ISSUED = "code.issued"
    CODE_REPLAYED = "code.replayed"
    TOKEN_ISSUED = "token.issued"
    TOKEN_REFRESHED = "token.refreshed"
    TOKEN_REFUSED = "token.refused"
    TOKEN_REVOKED = "token.revoked"
    REFRESH_REPLAYED = "refresh.replayed"
    GRANT_REVOKED = "grant.revoked"
    HANDLE_ISSUED = "handle.issued"  # for SMART Web Messaging
    HANDLE_REVOKED = "handle.revoked"  # by the EHR; else it goes with its grant
    INTROSPECTION_REFUSED = "introspection.refused"
    FHIR_REFUSED = "fhir.refused"  # a request to a FHIR server, by the enforcement in front of it
    CALLER_REFUSED = "caller.refused"
    FETCH_REFUSED = "fetch.refused"
    REQUEST_REFUSED = "request.refused"  # by a page or an endpoint that has no word of its own for it
    RATE_LIMITED = "rate_limited"
    LEGACY_USED = "legacy.used"  # an older app was forgiven something; which, is the reason
    REGISTRATION_REFUSED = "registration.refused"  # of an app that registers itself, or changes that
    CLIENT_CHANGED = "client.changed"
    REGISTRATION_NOTICE = "registration.notice"
    REGISTRATION_CHANGED = "registration.changed"  # who may register apps, and by whose word
    USER_CREATED = "user.created"
    USER_CHANGED = "user.changed"
    USER_UNIDENTIFIED = "user.unidentified"  # signed in, and no FHIR resource is theirs
    FHIR_SERVER_CHANGED = "fhir_server.changed"
    BRANDS_CHANGED = "brands.changed"
    EHR_CHANGED = "ehr.changed"
    SIGN_IN_PROVIDER_CHANGED = "sign_in_provider.changed"
    KEY_CHANGED = "key.changed"
    SERVER_STARTED = "server.started"
    AUDIT_READ = "audit.read"
    AUDIT_EXPORTED = "audit.exported"
    AUDIT_PURGED = "audit.purged"  # records whose time was over
    AUDIT_HOLD = "audit.hold"  # a legal hold, placed or lifted


def role_of(fhir_user: str | None, sub: str | None) -> str | None:
    """The FHIR resource type of who acts, by reference or URL; a service that acts for itself is a client."""
    if sub is None:
        return "client"
    return fhir_user.rsplit("/", 2)[-2] if fhir_user and "/" in fhir_user else None


@dataclass(frozen=True, slots=True)
class Peer:
    """Who sent a request: the address as the trusted proxies tell it, the program, and the request's own id."""

    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened or was refused; holds no secret and no name of a person, ids only."""

    event: EventName
    outcome: str = "success"  # or "refused"
    reason: str | None = None  # a machine's word for why
    sub: str | None = None
    role: str | None = None  # of who acts: a FHIR resource type, or "operator" or "client"
    client_id: str | None = None
    fhir_server: str | None = None
    aud: str | None = None  # base URL of the FHIR server that a token is for
    patient: str | None = None
    encounter: str | None = None
    scope: str | None = None
    grant_id: str | None = None
    token_id: str | None = None  # jti, never the token
    launch_id: str | None = None
    support_code: str | None = None
    peer: Peer | None = None
    detail: dict[str, Any] = field(default_factory=dict)
