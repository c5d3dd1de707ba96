"""What can happen, in the words of the trail (security.md 4.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EventName(StrEnum):
    LOGIN = "login"
    """Somebody proved who they are; how is in the detail (`amr`)."""
    LOGIN_FAILED = "login.failed"
    """A password, code, provider's answer or session that proved nothing."""
    LOGOUT = "logout"
    """A session ended, here or at the provider; refused: a sign-out that proved nothing."""
    LOGOUT_NOTICE = "logout.notice"
    """An app was told of a sign-out, or could not be."""
    EHR_SESSION_ENDED = "ehr_session.ended"
    """The EHR ended a session, and what hung on it."""
    PAGE_SHOWN = "authorize.page_shown"
    """A page that asks for a decision was shown; which, is the reason."""
    AUTHORIZE_REFUSED = "authorize.refused"
    """An authorization request that was not granted."""
    CONSENT_GRANTED = "consent.granted"
    """Somebody allowed an app what the scope says, for the patient named."""
    CONSENT_SKIPPED = "consent.skipped"
    """Nobody was asked, and why: remembered, or the EHR's own app."""
    CONSENT_DENIED = "consent.denied"
    """Somebody said no, or went away."""
    CONSENT_WITHDRAWN = "consent.withdrawn"
    """What was allowed is not any more."""
    GLASS_BROKEN = "glass.broken"
    """Staff saw protected records; why: a code as reason, their words in the detail."""
    RECORDS_SEARCHED = "records.searched"
    """Somebody looked for a patient in the picker."""
    PATIENT_CHOSEN = "patient.chosen"
    """The patient of a session was chosen."""
    ENCOUNTER_CHOSEN = "encounter.chosen"
    """The visit of a session was chosen."""
    LAUNCH_CREATED = "launch.created"
    """An EHR opened a launch, with its context."""
    LAUNCH_USED = "launch.used"
    """An app used a launch, once."""
    LAUNCH_REFUSED = "launch.refused"
    """A launch that is unknown, expired (nothing tells the two apart), used, or another's."""
    LAUNCH_WITHDRAWN = "launch.withdrawn"
    """The EHR took a launch back."""
    CODE_ISSUED = "code.issued"
    """An app was sent a code."""
    CODE_REPLAYED = "code.replayed"
    """A code came twice; all that was granted by it ended."""
    TOKEN_ISSUED = "token.issued"
    """A grant's first tokens, or a service's."""
    TOKEN_REFRESHED = "token.refreshed"
    """A refresh token was used for new tokens."""
    TOKEN_REFUSED = "token.refused"
    """A token request that was not granted."""
    TOKEN_REVOKED = "token.revoked"
    """An app gave a token back."""
    REFRESH_REPLAYED = "refresh.replayed"
    """A used refresh token came again; its family ended."""
    GRANT_REVOKED = "grant.revoked"
    """A grant ended with all its tokens; why is the reason."""
    HANDLE_ISSUED = "handle.issued"
    """A handle for SMART Web Messaging."""
    HANDLE_REVOKED = "handle.revoked"
    """By the EHR, or because a refresh was refused as a whole; else it goes with its grant."""
    INTROSPECTION_REFUSED = "introspection.refused"
    """Somebody asked who may not; an answered question is not a record, the tokens it is about are."""
    FHIR_REFUSED = "fhir.refused"
    """A request to a FHIR server, by the enforcement in front of it."""
    CALLER_REFUSED = "caller.refused"
    """A client that did not prove itself; an assertion that came twice among them (`jti`)."""
    FETCH_REFUSED = "fetch.refused"
    """An address that this server was to fetch from and must not, or that did not answer."""
    REQUEST_REFUSED = "request.refused"
    """By a page or an endpoint that has no word of its own for it."""
    RATE_LIMITED = "rate_limited"
    """Somebody came too often."""
    STRANGERS_COUNTED = "strangers.counted"
    """So many events have no record of their own: how many of each, of which network or person, since when."""
    LEGACY_USED = "legacy.used"
    """An older app was forgiven something; which, is the reason."""
    REGISTRATION_REFUSED = "registration.refused"
    """Of an app that registers itself, or changes that."""
    CLIENT_CHANGED = "client.changed"
    """An app was registered, decided about, changed, switched off, given a secret or removed."""
    REGISTRATION_NOTICE = "registration.notice"
    """The hospital's own system was told of a registration, or could not be."""
    REGISTRATION_CHANGED = "registration.changed"
    """Who may register apps, and by whose word."""
    USER_CREATED = "user.created"
    """A local account, or somebody whom a provider vouched for."""
    USER_CHANGED = "user.changed"
    """An account, its roles, second factor, FHIR resource or whom it represents."""
    USER_UNIDENTIFIED = "user.unidentified"
    """Signed in, and no FHIR resource is theirs."""
    FHIR_SERVER_CHANGED = "fhir_server.changed"
    """A FHIR server's address, rules or secret."""
    BRANDS_CHANGED = "brands.changed"
    """The User-access Brands."""
    EHR_CHANGED = "ehr.changed"
    """An EHR that may open launches."""
    SIGN_IN_PROVIDER_CHANGED = "sign_in_provider.changed"
    """A provider of sign-ins."""
    KEY_CHANGED = "key.changed"
    """A key was made, activated, retired or removed."""
    SERVER_STARTED = "server.started"
    """With a mark of each setting, of which no value can be told."""
    SERVER_STOPPED = "server.stopped"
    """In good order; a start without one before it followed a crash."""
    CONFIGURATION_CHANGED = "configuration.changed"
    """Since the last start; which settings, by name."""
    DATABASE_RESTORED = "database.restored"
    """It was put back to an earlier time, and all that could have been ended since was ended."""
    SCHEMA_MIGRATED = "schema.migrated"
    """The database was brought to another revision."""
    AUDIT_READ = "audit.read"
    """Somebody searched or verified the trail."""
    AUDIT_EXPORTED = "audit.exported"
    """Records left for somewhere else."""
    AUDIT_PURGED = "audit.purged"
    """Records whose time was over."""
    AUDIT_HOLD = "audit.hold"
    """A legal hold, placed or lifted."""


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
    one_by_one: bool = False  # on record whatever strangers do: its cause is proved, or bounded by a limit of its own
    detail: dict[str, Any] = field(default_factory=dict)
